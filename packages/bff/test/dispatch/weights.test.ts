import { describe, expect, it } from 'vitest'
import { parseFileConfig } from '../../src/config-file.ts'
import { createResolver } from '../../src/dispatch/resolve.ts'
import { drawn } from '../../src/dispatch/weights.ts'

const yaml = `aliases:
  plain: [openai/a, anthropic/b]
  shared: [{ model: openai/a, weight: 3 }, { model: openai/b, weight: 1 }, anthropic/c]
`
const config = parseFileConfig(yaml, 'ferry.yaml', {})
const ids = (alias: string, random: number): string[] =>
  drawn(config.aliases.get(alias)?.targets ?? [], () => random).map(({ id }) => id)

describe('weighted targets', () => {
  it('are drawn by their weight, and the others follow', () => {
    expect(ids('shared', 0)).toEqual(['openai/a', 'openai/b', 'anthropic/c'])
    expect(ids('shared', 0.74)).toEqual(['openai/a', 'openai/b', 'anthropic/c'])
    expect(ids('shared', 0.75)).toEqual(['openai/b', 'openai/a', 'anthropic/c'])
    expect(ids('shared', 0.9999999)).toEqual(['openai/b', 'openai/a', 'anthropic/c'])
  })

  it('share the calls of an alias', () => {
    const resolve = createResolver(config)
    const first = Array.from({ length: 4_000 }, () => resolve('shared')[0]?.model)
    expect(first.filter((model) => model === 'a').length / 4_000).toBeCloseTo(0.75, 1)
  })

  it('are those with a weight alone', () => {
    for (const random of [0, 0.5, 0.99]) expect(ids('plain', random)).toEqual(['openai/a', 'anthropic/b'])
  })

  it('need a weight above nothing', () => {
    expect(() => parseFileConfig('aliases: { x: [{ model: openai/a, weight: 0 }] }', 'ferry.yaml', {})).toThrow(
      'aliases.x',
    )
  })
})
