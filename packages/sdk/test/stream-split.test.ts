import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type ChatEvent, createFerry } from '../src/index.ts'
import { collect } from './support/collect.ts'
import { request, streamingFetch, textChunks, wire } from './support/wire.ts'

const streamOf = (pieces: readonly Uint8Array[]) =>
  createFerry({ baseURL: 'https://llm.example.cn', apiKey: 'key', fetch: streamingFetch(pieces) }).chat.stream(request)

/** Cuts bytes at these places, in the middle of characters too. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [...new Set(places.map((place) => place % bytes.length))].sort((a, b) => a - b)
  return [0, ...at].map((start, i) => bytes.slice(start, at[i]))
}

const texts = fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }), { maxLength: 8 })
const places = fc.array(fc.nat(), { maxLength: 30 })

it('any cuts of the bytes give the same events', async () => {
  await fc.assert(
    fc.asyncProperty(texts, places, fc.boolean(), async (pieces, at, crlf) => {
      const body = wire(textChunks(...pieces))
      const bytes = new TextEncoder().encode(crlf ? body.replaceAll('\n', '\r\n') : body)
      const whole = await collect(streamOf([bytes]))
      expect(await collect(streamOf(cut(bytes, at)))).toEqual(whole)
      expect(whole.flatMap((event) => (event.type === 'text-delta' ? event.text : [])).join('')).toBe(pieces.join(''))
    }),
    { numRuns: 200 },
  )
})

it('any stream that stops early is an error, and never tells a finish', async () => {
  const bytes = new TextEncoder().encode(wire(textChunks('你好', '!')))
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: bytes.length - 2 }), places, async (length, at) => {
      const events: ChatEvent[] = []
      const read = async () => {
        for await (const event of streamOf(cut(bytes.slice(0, length), at))) events.push(event)
      }
      await expect(read()).rejects.toMatchObject({ code: 'upstream_truncated' })
      expect(events.map(({ type }) => type)).not.toContain('finish')
    }),
    { numRuns: 200 },
  )
})
