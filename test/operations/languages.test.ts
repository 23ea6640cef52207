import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

// What operators read says the same in English and in 简体中文: the same commands, names and variables.

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const PAGES = [
  'deploy/README',
  'deploy/monitoring/README',
  'docs/deploy/README',
  'docs/deploy/dashboards',
  'docs/deploy/kubernetes',
  'docs/deploy/monitoring',
]
const RUNBOOKS = 'docs/deploy/runbooks'
const runbooks = readdirSync(join(root, RUNBOOKS)).filter((name) => name !== 'README.md')

const BLOCK = /^```\w*\n([\s\S]*?)^```/gm
/** The lines of a page's code, without their comments and what a user may say in any language. */
const commands = (text: string): readonly string[] =>
  [...text.matchAll(BLOCK)]
    .flatMap(([, code = '']) => code.split('\n'))
    .map((line) => line.replace(/(^|\s+)#\s.*/, '').replace(/"(content|summary)":"[^"]*"/g, '"$1":"…"'))
const sorted = (words: Iterable<string>): readonly string[] => [...new Set(words)].toSorted()
/** What stands in backticks, and variables in or out of them. */
const names = (text: string): readonly string[] => {
  const prose = text.replace(BLOCK, '')
  const spans = [...prose.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span.replace(/\s+/g, ' '))
  return sorted([...spans, ...(prose.match(/\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b/g) ?? [])])
}
const rows = (text: string): number => text.match(/^\|/gm)?.length ?? 0
const links = (text: string): readonly string[] =>
  [...text.matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, link = '']) => link)

describe.each(PAGES)('%s', (page) => {
  const [english, chinese] = [read(`${page}.md`), read(`${page}.zh-CN.md`)]

  it('has the same commands, names and variables in both languages', () => {
    expect(commands(chinese)).toEqual(commands(english))
    expect(names(chinese)).toEqual(names(english))
    expect(rows(chinese)).toBe(rows(english))
    expect(chinese.match(/^#+ /gm)).toEqual(english.match(/^#+ /gm))
  })

  it('leads from each language to the other, and to what is there', () => {
    const name = basename(page)
    expect(english).toContain(`**English** · [简体中文](${name}.zh-CN.md)`)
    expect(chinese).toContain(`[English](${name}.md) · **简体中文**`)
    for (const link of [...links(english), ...links(chinese)])
      expect(existsSync(join(root, dirname(page), link)), link).toBe(true)
  })
})

it.each(runbooks)('%s: both halves say what it means, where to look and what to do, with the same names', (name) => {
  const [english = '', chinese = '', ...more] = read(`${RUNBOOKS}/${name}`).split('\n---\n')
  expect(more).toEqual([])
  expect(english).toMatch(/^# \w+\n\n[^\n]+\n\n\*\*Look\*\*\n\n(- [^\n]+\n)+\n\*\*Do\*\*: [^\n]+\n$/)
  expect(chinese).toMatch(/^\n[^\n]+\n\n\*\*排查\*\*\n\n(- [^\n]+\n)+\n\*\*处理\*\*：[^\n]+\n$/)
  expect(names(chinese)).toEqual(names(english))
  expect(chinese.match(/^- /gm)).toEqual(english.match(/^- /gm))
  for (const link of links(english + chinese)) expect(existsSync(join(root, RUNBOOKS, link)), link).toBe(true)
})

it('tells two pages apart', () => {
  const page = '# A\n\nSet PORT_A.\n\n```sh\nferry doctor  # looks\n```\n'
  expect(commands(page)).toEqual(['ferry doctor', ''])
  expect(names(page)).toEqual(['PORT_A'])
})
