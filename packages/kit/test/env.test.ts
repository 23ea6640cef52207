import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  bytes,
  ConfigError,
  choice,
  count,
  keyPool,
  milliseconds,
  namedSecrets,
  origin,
  port,
  readVariables,
  secret,
  text,
} from '../src/env.ts'

const table = {
  PORT: port({ default: 3000, doc: '' }),
  WAIT_MS: milliseconds({ default: 1000, doc: '' }),
  SIZE: bytes({ default: 10, doc: '' }),
  TRIES: count({ default: 3, max: 10, doc: '' }),
  LEVEL: choice(['low', 'high'], { default: 'low', doc: '' }),
  BASE: origin({ doc: '' }),
  TOKENS: namedSecrets({ doc: '' }),
  KEYS: keyPool({ doc: '' }),
  NAME: text({ required: 'set it to your name', doc: '' }),
} as const

const read = (env: Record<string, string>) => readVariables(table, { NAME: 'x', ...env })
const faults = (env: Record<string, string>): readonly string[] => {
  try {
    read(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

describe('variables', () => {
  it('have their defaults when absent or empty', () => {
    expect(read({ PORT: '', LEVEL: ' ' })).toEqual({
      PORT: 3000,
      WAIT_MS: 1000,
      SIZE: 10,
      TRIES: 3,
      LEVEL: 'low',
      NAME: 'x',
    })
  })

  it('are read by their kind', () => {
    const values = read({
      PORT: '0',
      BASE: 'https://api.example.com/prefix/',
      TOKENS: 'a:0123456789abcdef, b:fedcba9876543210',
      KEYS: 'k1,k2',
    })
    expect(values.PORT).toBe(0)
    expect(values.BASE?.href).toBe('https://api.example.com/prefix')
    expect(values.TOKENS).toEqual([
      { name: 'a', secret: '0123456789abcdef' },
      { name: 'b', secret: 'fedcba9876543210' },
    ])
    expect(values.KEYS).toEqual(['k1', 'k2'])
  })

  it('report every fault at once, each by name', () => {
    expect(faults({ PORT: '70000', WAIT_MS: '-1', NAME: '' })).toEqual([
      'PORT must be a port (0 to 65535), not "70000"',
      'WAIT_MS must be a whole number of ms (1 to 2147483647), not "-1"',
      'NAME is missing: set it to your name',
    ])
  })

  it.each([
    [{ WAIT_MS: '1.5' }, 'whole number of ms'],
    [{ WAIT_MS: '99999999999' }, 'whole number of ms'],
    [{ SIZE: '10MB' }, 'whole number of bytes'],
    [{ TRIES: '11' }, '0 to 10'],
    [{ LEVEL: 'medium' }, 'one of low, high'],
    [{ BASE: 'api.example.com' }, 'must be a URL'],
    [{ BASE: 'ftp://api.example.com' }, 'http:// or https://'],
    [{ BASE: 'https://user:pass@api.example.com' }, 'user name or password'],
    [{ BASE: 'https://api.example.com/?x=1' }, 'query'],
    [{ TOKENS: 'just-a-token-without-name' }, 'name:secret'],
    [{ TOKENS: 'a:short' }, 'shorter than 16'],
    [{ TOKENS: 'a:0123456789abcdef,a:fedcba9876543210' }, 'names "a" twice'],
    [{ TOKENS: 'a:0123456789abcdef,b:0123456789abcdef' }, 'another name has already'],
    [{ KEYS: 'key with space' }, 'HTTP headers'],
  ])('refuse %j', (env, sentence) => {
    expect(faults(env).join()).toContain(sentence)
  })

  it('never show a secret in a fault', () => {
    expect(faults({ TOKENS: 'a:tell-nobody', KEYS: 'tell nobody' }).join()).not.toMatch(/tell.nobody/)
  })

  it('take secrets from files', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'ferry-env-')), 'tokens')
    writeFileSync(file, 'a:0123456789abcdef\n')
    expect(read({ TOKENS_FILE: file }).TOKENS).toEqual([{ name: 'a', secret: '0123456789abcdef' }])
    expect(faults({ TOKENS_FILE: file, TOKENS: 'b:0123456789abcdef' }).join()).toContain('both set')
    expect(faults({ TOKENS_FILE: '/nowhere' }).join()).toContain('ENOENT')
  })
})

describe('one secret', () => {
  const parse = (value: string) => secret({ doc: '' }).parse(value)

  it.each([
    ['app:short', /shorter than 16 characters; it looks like name:token/],
    ['short', /shorter than 16 characters$/],
    ['app:0123456789abcdef', /^looks like name:token/],
    ['0123456789 abcdef', /HTTP headers do not carry$/],
  ])('refuses %j', (value, message) => {
    expect(() => parse(value)).toThrow(message)
  })

  it('may have a colon where that is no name', () => {
    for (const value of ['0123456789abcdef', 'abcdef:0123456789', '/+==:0123456789abcdef'])
      expect(parse(value)).toBe(value)
  })
})
