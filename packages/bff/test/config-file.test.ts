import { fileURLToPath } from 'node:url'
import { ConfigError } from '@llm-ferry/kit'
import { describe, expect, it } from 'vitest'
import { parseFileConfig } from '../src/config-file.ts'
import { createResolver } from '../src/dispatch/resolve.ts'

const env = { DEEPSEEK_API_KEY: 'deepseek-key-0123456789' }
const parse = (yaml: string) => parseFileConfig(yaml, 'ferry.yaml', env)

const deepseek = `
vendors:
  deepseek: { dialect: openai, origin: https://api.deepseek.com/, apiKey: "\${DEEPSEEK_API_KEY}" }
`

describe('the configuration file', () => {
  it('adds a vendor that speaks a known dialect', () => {
    const config = parse(deepseek)
    expect(config.vendors.find(({ name }) => name === 'deepseek')).toMatchObject({
      dialect: 'openai',
      route: { kind: 'direct', apiKey: 'deepseek-key-0123456789' },
    })
    expect(createResolver(config)('deepseek/deepseek-chat')).toMatchObject([
      { vendor: 'deepseek', model: 'deepseek-chat' },
    ])
  })

  it('takes a key from the file that NAME_FILE names', () => {
    const file = fileURLToPath(new URL('./fixtures/a-key.txt', import.meta.url))
    const read = (env: NodeJS.ProcessEnv) => parseFileConfig(deepseek, 'ferry.yaml', env)
    const found = read({ DEEPSEEK_API_KEY_FILE: file }).vendors.find(({ name }) => name === 'deepseek')
    expect(found?.route).toMatchObject({ apiKey: 'key-in-a-file-0123456789' })
    expect(() => read({ DEEPSEEK_API_KEY_FILE: '/nowhere' })).toThrow(
      'DEEPSEEK_API_KEY_FILE names /nowhere, which cannot be read (ENOENT)',
    )
  })

  it('may be empty: three vendors go through the relay', () => {
    expect(parse('').vendors.map(({ name, route }) => [name, route.kind])).toEqual([
      ['openai', 'relay'],
      ['anthropic', 'relay'],
      ['gemini', 'relay'],
    ])
  })

  it.each([
    [
      'a dialect that nobody speaks',
      'vendors: { x: { dialect: klingon } }',
      'vendors.x.dialect must be one of openai, anthropic, gemini',
    ],
    [
      'an origin without a key',
      'vendors: { x: { dialect: openai, origin: "https://x.example" } }',
      'origin and apiKey belong together',
    ],
    [
      'an origin that is no URL',
      'vendors: { x: { dialect: openai, origin: x.example, apiKey: k } }',
      'vendors.x.origin must be a URL',
    ],
    ['an unknown field', 'vendors: { x: { dialect: openai, orgin: y } }', 'orgin'],
    ['an alias to an unknown vendor', 'aliases: { smart: [nobody/x] }', 'aliases.smart.0 names the vendor "nobody"'],
    ['an alias without targets', 'aliases: { smart: [] }', 'aliases.smart'],
    [
      'a secret that is not in the environment',
      'vendors: { x: { dialect: openai, origin: "https://x.example", apiKey: "${NOPE}" } }',
      '${NOPE}',
    ],
    ['text that is no YAML', 'vendors: [', 'ferry.yaml'],
  ])('refuses %s by name', (_, yaml, sentence) => {
    expect(() => parse(yaml)).toThrow(ConfigError)
    expect(() => parse(yaml)).toThrow(sentence)
  })
})

describe('a model', () => {
  const resolve = createResolver(
    parse(`${deepseek}
models:
  deepseek/deepseek-chat: { timeoutMs: 5000, maxOutputTokens: 8000 }
aliases:
  smart: [anthropic/claude-haiku-4-5, deepseek/deepseek-chat]
`),
  )

  it('is vendor/model, whether a table knows it or not', () => {
    expect(resolve('openai/gpt-99')).toMatchObject([{ vendor: 'openai', model: 'gpt-99' }])
    expect(resolve('deepseek/org/model')).toMatchObject([{ vendor: 'deepseek', model: 'org/model' }])
  })

  it('is a bare name that a vendor claims or the file has', () => {
    expect(resolve('gpt-99')).toMatchObject([{ vendor: 'openai' }])
    expect(resolve('claude-99')).toMatchObject([{ vendor: 'anthropic' }])
    expect(resolve('gemini-99')).toMatchObject([{ vendor: 'gemini' }])
    expect(resolve('deepseek-chat')).toMatchObject([{ vendor: 'deepseek', timeoutMs: 5000, maxOutputTokens: 8000 }])
  })

  it('is an alias for several, in order', () => {
    expect(resolve('smart').map(({ vendor }) => vendor)).toEqual(['anthropic', 'deepseek'])
  })

  it('that nobody serves is refused with the vendors that there are', () => {
    expect(() => resolve('mystery')).toThrow(/model "mystery".*openai, anthropic, gemini, deepseek/)
    expect(() => resolve('nobody/x')).toThrow(/nobody\/x/)
  })
})
