import { parseChatRequest } from '@llm-ferry/sdk/schema'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fingerprint } from '../../src/cache/fingerprint.ts'

const identity = { owner: ['key', 'app'], models: ['openai/gpt-x'] }
const base = {
  model: 'openai/gpt-x',
  messages: [{ role: 'user', content: 'hi', name: 'ann' }],
  temperature: 0.5,
  seed: 3,
}
const printOf = (request: object, about = identity): string => fingerprint(parseChatRequest(request), about).name

/** The same value with the fields of every object in another order. */
function reordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reordered)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, reordered(item)]),
  )
}

test('the order of fields and nulls make no difference', () => {
  const tools = [{ type: 'function', function: { name: 'f', description: 'd', strict: true } }]
  const request = { ...base, tools, response_format: { type: 'json_object' }, unheard_of: 1 }
  expect(printOf(reordered(request) as object)).toBe(printOf(request))
  expect(printOf({ ...request, stop: null, n: null })).toBe(printOf(request))
})

test('the order of a schema’s fields does: models answer in it', () => {
  const tool = (properties: object) => ({
    ...base,
    tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties } } }],
  })
  expect(printOf(tool({ a: {}, b: {} }))).not.toBe(printOf(tool({ b: {}, a: {} })))
})

test('two values of any field that says something differ', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
      fc.pre(JSON.stringify(a) !== JSON.stringify(b))
      expect(printOf({ ...base, vendors_own: a })).not.toBe(printOf({ ...base, vendors_own: b }))
    }),
  )
})

test('nothing can be moved from one part into another', () => {
  expect(printOf(base, { owner: ['key', 'a', 'b'], models: [] })).not.toBe(
    printOf(base, { owner: ['key', 'a'], models: ['b'] }),
  )
  expect(printOf(base, { owner: ['user', 'a', 'b'], models: [] })).not.toBe(
    printOf(base, { owner: ['key', 'a', 'b'], models: [] }),
  )
})

test('the name says nothing of the key', () => {
  const { name, key } = fingerprint(parseChatRequest(base), identity)
  expect(key).toHaveLength(32)
  expect(Buffer.from(name, 'base64url').equals(key)).toBe(false)
})
