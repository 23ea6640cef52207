import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parsePartialJson } from '../src/partial-json.ts'

describe('parsePartialJson', () => {
  it.each<[string, unknown]>([
    ['', undefined],
    ['{', {}],
    ['{"a', {}],
    ['{"a"', {}],
    ['{"a":', {}],
    ['{"a":"x', { a: 'x' }],
    ['{"a":"x\\', { a: 'x' }],
    ['{"a":"x\\u4f6', { a: 'x' }],
    ['{"a":"\\ud83d', { a: '' }],
    ['{"a":12', {}],
    ['{"a":12,', { a: 12 }],
    ['{"a":tru', {}],
    ['{"a":true}', { a: true }],
    ['{"a":[1,{"b":null},', { a: [1, { b: null }] }],
    ['{"__proto__":{"x":1}}', JSON.parse('{"__proto__":{"x":1}}')],
    ['no json', undefined],
  ])('%s', (text, value) => {
    expect(parsePartialJson(text)).toEqual(value)
  })

  const json = fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue()))

  it('reads a whole text as JSON.parse does', () => {
    fc.assert(
      fc.property(json, fc.constantFrom(undefined, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent)
        expect(parsePartialJson(text)).toEqual(JSON.parse(text))
      }),
    )
  })

  it('never says of a beginning what the whole does not', () => {
    fc.assert(
      fc.property(json, fc.nat(), (value, length) => {
        const text = JSON.stringify(value)
        const part = parsePartialJson(text.slice(0, length % (text.length + 1)))
        expect(isPartOf(part, JSON.parse(text))).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })
})

function isPartOf(part: unknown, whole: unknown): boolean {
  if (part === undefined || Object.is(part, whole)) return true
  if (typeof part === 'string') return typeof whole === 'string' && whole.startsWith(part)
  if (typeof part !== 'object' || part === null || typeof whole !== 'object' || whole === null) return false
  return Object.entries(part).every(
    ([key, value]) => Object.hasOwn(whole, key) && isPartOf(value, (whole as Record<string, unknown>)[key]),
  )
}
