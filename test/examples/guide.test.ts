import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { bffVariables } from '@llm-ferry/bff'
import { ERRORS } from '@llm-ferry/sdk/schema'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startUpstream, TEXT, type Upstream } from '../clients/vendor-factories/upstream.ts'
import { root } from '../e2e/start.ts'
import { BFF_KEY, type Chain, startChain } from '../packages/chain.ts'
import { runSample, sample, samplesOf } from '../testkit/samples.ts'

const PAGES = readdirSync(join(root, 'docs/guide')).filter((file) => file.endsWith('.md'))
const text = (file: string): string => readFileSync(join(root, file), 'utf8')

/** What each sample must print. */
const PRINTS: Readonly<Record<string, RegExp>> = {
  'README.md first.ts': new RegExp(`${TEXT} \\d+ req_`),
  'README.md first.sh': new RegExp(`"content":\\s*"${TEXT}"`),
  'README.md cache.ts': /^first miss\nsecond hit\n$/,
  'README.md models.sh': /"id":"openai\/.*"id":"anthropic\/.*"id":"gemini\//,
  'errors.md errors.ts': /_not_found 404 false req_/,
  'errors.md errors.sh': /"code":"authentication_failed"/,
  'migrating.md proxy.sh': new RegExp(TEXT),
  'streaming.md stream.ts': new RegExp(`${TEXT}\nstop, \\d+ tokens`),
  'streaming.md leave.ts': /^enough: \S+\n$/,
  'structured-output.md object.ts': /^北京 3\n.*\{ city: '北京', days: 3 \}\n$/s,
  'tools.md tools.ts': new RegExp(`${TEXT} \\(2 steps\\)`),
  'vendor-sdks.md ai-sdk.ts': new RegExp(`${TEXT} \\d+`),
  'vendor-sdks.md every-vendor.ts': new RegExp(`openai/\\S+ ${TEXT}\nanthropic/\\S+ ${TEXT}\ngemini/\\S+ ${TEXT}`),
  'vendor-sdks.md own-clients.ts': new RegExp(`${TEXT}\n${TEXT}`),
  'voice.md voice.ts': /♪ 渡船早上六点开，\n♪ 晚上十点收班。/,
}
/** Shell blocks that tell how to set up what the others need. */
const SET_UP = ['npm start\n', 'export FERRY_URL=http://127.0.0.1:8080 FERRY_KEY=…\n']

describe('the guide’s samples', () => {
  let upstream: Upstream
  let chain: Chain

  beforeAll(async () => {
    upstream = await startUpstream()
    chain = await startChain(upstream.url)
  }, 60_000)
  afterAll(async () => {
    await chain?.stop()
    await upstream?.stop()
  })

  it.each(Object.entries(PRINTS))('%s', async (id, wanted) => {
    const [page = '', name = ''] = id.split(' ')
    const env = { ...process.env, FERRY_URL: chain.bff.origin, FERRY_KEY: BFF_KEY }
    expect(await runSample(sample(`docs/guide/${page}`, name), env)).toMatch(wanted)
  })

  it('are all run', () => {
    const named = PAGES.flatMap((page) => samplesOf(`docs/guide/${page}`).map(({ name }) => `${page} ${name}`))
    expect(named.sort()).toEqual(Object.keys(PRINTS).sort())
    for (const page of PAGES) {
      const blocks = [...text(`docs/guide/${page}`).matchAll(/```\w+\n([\s\S]*?)```/g)].map(([, code = '']) => code)
      const unmarked = blocks.length - samplesOf(`docs/guide/${page}`).length
      expect(unmarked, page).toBe(blocks.filter((code) => SET_UP.includes(code)).length)
    }
  })
})

describe('docs/zh-CN', () => {
  it('has the same pages', () => {
    expect(readdirSync(join(root, 'docs/zh-CN')).sort()).toEqual(PAGES.sort())
  })

  it.each(PAGES)('%s shows the same code, and its tables have as many rows', (page) => {
    const code = (folder: string) => [...text(`${folder}/${page}`).matchAll(/```[\s\S]*?```/g)].map(([block]) => block)
    expect(code('docs/zh-CN')).toEqual(code('docs/guide'))
    const rows = (folder: string) => text(`${folder}/${page}`).match(/^\|/gm)?.length
    expect(rows('docs/zh-CN')).toBe(rows('docs/guide'))
  })
})

it.each(['docs/guide', 'docs/zh-CN'])('%s links to what is there', (folder) => {
  for (const page of PAGES) {
    const links = [...text(`${folder}/${page}`).matchAll(/\]\((?!https?:)([^)#]+)/g)].map(([, link = '']) => link)
    for (const link of links) expect(existsSync(join(root, dirname(`${folder}/${page}`), link)), link).toBe(true)
  }
})

describe('the table of errors is what the code says (UPDATE_DOCS=1 writes it)', () => {
  const WORDS = {
    'docs/guide/errors.md': { head: ['code', 'status', 'may succeed later', 'meaning'], yes: 'yes', no: 'no' },
    'docs/zh-CN/errors.md': { head: ['代码', '状态', '稍后可能成功', '含义'], yes: '是', no: '否' },
  } as const

  it.each(Object.keys(WORDS) as (keyof typeof WORDS)[])('%s', (file) => {
    const { head, yes, no } = WORDS[file]
    const page = text(file)
    // The Chinese meanings live in their page: only what code decides is written anew.
    const translated = new Map(
      [...page.matchAll(/^\| `(\w+)` \|.*\| (.+) \|$/gm)].map(([, code, last]) => [code, last]),
    )
    const rows = Object.entries(ERRORS).map(([code, { status, retryable, meaning }]) => {
      const words = file.includes('zh-CN') ? (translated.get(code) ?? '（待翻译）') : meaning
      return `| \`${code}\` | ${status} | ${retryable ? yes : no} | ${words} |`
    })
    const table = [`| ${head.join(' | ')} |`, '| --- | --- | --- | --- |', ...rows].join('\n')
    const wanted = page.replace(
      /(<!-- generated: errors -->)[\s\S]*?(<!-- end -->)/,
      (_, start, end) => `${start}\n${table}\n${end}`,
    )
    if (process.env.UPDATE_DOCS) writeFileSync(join(root, file), wanted)
    expect(text(file)).toBe(wanted)
    expect(wanted).not.toContain('（待翻译）')
  })
})

it.each(['docs/guide/voicebox.md', 'docs/zh-CN/voicebox.md'])('%s names variables and defaults that are so', (file) => {
  const rows = text(file).matchAll(/^\| `[\w.-]+` \|.*?`([A-Z_]{6,})`.*\| (\d+) \|$/gm)
  const named = Object.fromEntries([...rows].map(([, name = '', value]) => [name, Number(value)]))
  const known: Readonly<Record<string, { readonly default?: unknown }>> = bffVariables
  expect(named).toEqual(Object.fromEntries(Object.keys(named).map((name) => [name, known[name]?.default])))
  const wanted = ['REQUEST_TIMEOUT_MS', 'MAX_RETRIES', 'RATE_LIMIT_RPM', 'DAILY_QUOTA', 'REDIS_TIMEOUT_MS']
  expect(Object.keys(named)).toEqual(wanted)
})
