import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { DIALECTS } from '../../src/vendors/registry.ts'
import { vendorContract } from './support/contract.ts'
import { toy } from './support/toy.ts'

vendorContract('a new dialect', toy, {
  target: { vendor: 'toy', model: 'toy-1' },
  streams: new Map([['words', new TextEncoder().encode('data: say grüß Gott\n\ndata: end\n\n')]]),
  isTerminal: ({ data }) => data === 'end',
  errorEvent: { data: 'fail' },
  keyError: { status: 401, body: 'key toy-secret is wrong', key: 'toy-secret' },
})

describe('a new dialect is one folder and one registry line', () => {
  const source = new URL('../../src/vendors/', import.meta.url)
  const code = (file: URL) => readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
  const outside = ['vendor.ts', ...readdirSync(new URL('shared/', source)).map((name) => `shared/${name}`)]

  it.each(outside)('%s names no vendor', (name) => {
    expect(code(new URL(name, source))).not.toMatch(/openai|anthropic|claude|gemini|google|gpt/i)
  })

  it.each(Object.keys(DIALECTS))('%s stands in the registry once, and no other folder knows it', (dialect) => {
    const registry = code(new URL('registry.ts', source)).split('\n')
    expect(registry.filter((line) => line.includes(dialect))).toHaveLength(2)
    for (const other of Object.keys(DIALECTS)) {
      if (other === dialect) continue
      for (const file of readdirSync(new URL(`${other}/`, source))) {
        expect(code(new URL(`${other}/${file}`, source))).not.toMatch(new RegExp(`from '\\.\\./${dialect}/`))
      }
    }
  })
})
