import { FerryError } from '@llm-ferry/sdk'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Target, VendorAdapter, WireEvent } from '../../../src/vendors/vendor.ts'
import { accumulate } from './accumulate.ts'
import { eventsOf, mapAll, mapEvents, REQUEST } from './run.ts'

/** What the suite must know of a dialect. */
export interface ContractFixtures {
  readonly target: Target
  /** Recorded streams, by name. */
  readonly streams: ReadonlyMap<string, Uint8Array>
  /** Whether the event says that the answer is whole. */
  isTerminal(event: WireEvent): boolean
  /** An error event as the vendor sends it in mid-stream, with a rate limit. */
  readonly errorEvent: WireEvent
  /** A body of an error answer whose text quotes a key. */
  readonly keyError: { readonly status: number; readonly body: unknown; readonly key: string }
}

/** What every dialect must do. */
export function vendorContract(name: string, adapter: VendorAdapter, fixtures: ContractFixtures): void {
  const { target, streams, isTerminal, errorEvent, keyError } = fixtures

  describe(`${name} keeps the contract of dialects`, () => {
    describe.each([...streams])('stream %s', (_, bytes) => {
      const whole = mapAll(adapter, [bytes], target)

      it('is the same split at every byte', () => {
        for (let at = 1; at < bytes.length; at++) {
          expect(mapAll(adapter, [bytes.subarray(0, at), bytes.subarray(at)], target)).toEqual(whole)
        }
      })

      it('is the same in any pieces', () => {
        fc.assert(
          fc.property(fc.array(fc.nat(bytes.length), { maxLength: 40 }), (cuts) => {
            const marks = [0, ...cuts.sort((a, b) => a - b), bytes.length]
            const pieces = marks.slice(1).map((end, index) => bytes.subarray(marks[index], end))
            expect(mapAll(adapter, pieces, target)).toEqual(whole)
          }),
          { numRuns: 50 },
        )
      })

      it('is the same with CRLF, and with comments and pings between events', () => {
        const text = new TextDecoder().decode(bytes)
        const encode = (value: string) => new TextEncoder().encode(value)
        expect(mapAll(adapter, [encode(text.replaceAll('\n', '\r\n'))], target)).toEqual(whole)
        expect(mapAll(adapter, [encode(text.replaceAll('\n\n', '\n\n: ping\n\n'))], target)).toEqual(whole)
      })

      it('ends in an error when cut anywhere before its end', () => {
        for (let end = 0; end < bytes.length; end++) {
          const events = eventsOf([bytes.subarray(0, end)])
          if (events.some(isTerminal)) break
          const mapper = adapter.stream(REQUEST, target)
          expect(() => [mapEvents(mapper, events), mapper.end()]).toThrow(
            expect.objectContaining({ code: 'upstream_truncated', vendor: target.vendor }),
          )
        }
      })

      it('never tells a finish before the vendor’s own end was seen', () => {
        const mapper = adapter.stream(REQUEST, target)
        for (const event of eventsOf([bytes])) {
          const finished = mapper.event(event).some((chunk) => chunk.choices.some((choice) => choice.finish_reason))
          if (finished) expect(isTerminal(event)).toBe(true)
        }
      })

      it('tells role first, finish once, reasoning blocks once before it, and usage last', () => {
        const choices = whole.flatMap((chunk) => chunk.choices)
        expect(choices[0]?.delta.role).toBe('assistant')
        expect(choices.filter((choice) => choice.finish_reason)).toHaveLength(1)
        expect(choices.at(-1)?.finish_reason).toBeTruthy()
        const detailed = choices.filter((choice) => choice.delta.reasoning_details)
        expect(detailed.length).toBeLessThanOrEqual(1)
        const details = detailed[0]?.delta.reasoning_details ?? []
        expect(details.map((detail) => detail.index)).toEqual(details.map((_detail, index) => index))
        expect(whole.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 57 } })
      })

      it('has arguments that are JSON in every tool call', () => {
        for (const call of accumulate(whole).choices[0]?.message.tool_calls ?? []) {
          if (call.type === 'function') expect(JSON.parse(call.function.arguments)).toBeTypeOf('object')
        }
      })

      it('becomes an error with the vendor’s code when the vendor reports one, after any event', () => {
        const events = eventsOf([bytes])
        for (let at = 0; at < events.findIndex(isTerminal); at++) {
          const mapper = adapter.stream(REQUEST, target)
          mapEvents(mapper, events.slice(0, at))
          expect(() => mapper.event(errorEvent)).toThrow(
            expect.objectContaining({ code: 'vendor_rate_limited', vendorCode: expect.any(String) }),
          )
        }
      })
    })

    it('throws FerryErrors alone, whatever the vendor sends in a stream', () => {
      fc.assert(
        fc.property(fc.array(fc.oneof(fc.string(), fc.json()), { maxLength: 5 }), (datas) => {
          const mapper = adapter.stream(REQUEST, target)
          onlyFerryErrors(() => datas.map((data) => mapper.event({ data })))
          onlyFerryErrors(() => mapper.end())
          onlyFerryErrors(() => mapper.usage())
        }),
      )
    })

    it('throws FerryErrors alone when any value of a real stream is another one', () => {
      const recorded = [...streams.values()].map((bytes) => eventsOf([bytes]))
      const damage = fc.tuple(fc.constantFrom(...recorded), fc.nat(), fc.nat(), fc.jsonValue({ maxDepth: 2 }))
      fc.assert(
        fc.property(damage, ([events, which, where, value]) => {
          const mapper = adapter.stream(REQUEST, target)
          const damaged = events.with(
            which % events.length,
            replaceAt(events[which % events.length]?.data, where, value),
          )
          onlyFerryErrors(() => [mapEvents(mapper, damaged), mapper.end()])
          onlyFerryErrors(() => mapper.usage())
        }),
        { numRuns: 1000 },
      )
    })

    it('throws FerryErrors alone, whatever the vendor answers', () => {
      fc.assert(
        fc.property(fc.anything(), fc.integer({ min: 200, max: 599 }), (body, status) => {
          onlyFerryErrors(() => adapter.response(body, target))
          expect(FerryError.is(adapter.error({ status, headers: {}, body }, target))).toBe(true)
        }),
      )
    })

    it('says that a whole answer cut in its middle was cut', () => {
      expect(() => adapter.response('{"id": "x", "cont', target)).toThrow(
        expect.objectContaining({ code: 'upstream_truncated' }),
      )
    })

    it('does not repeat the vendor’s words about our key', () => {
      const error = adapter.error({ status: keyError.status, headers: {}, body: keyError.body }, target)
      expect(error.code).toBe('vendor_key_rejected')
      expect(JSON.stringify([error.message, error.cause, error])).not.toContain(keyError.key)
    })

    it('obeys retry-after in both forms', () => {
      const at = (headers: Record<string, string>) => adapter.error({ status: 429, headers, body: '' }, target)
      expect(at({ 'retry-after': '7' })).toMatchObject({ code: 'vendor_rate_limited', retryAfterMs: 7000 })
      expect(at({ 'retry-after-ms': '250', 'retry-after': '7' }).retryAfterMs).toBe(250)
      const date = at({ 'retry-after': new Date(Date.now() + 5000).toUTCString() }).retryAfterMs
      expect(date).toBeGreaterThan(2000)
      expect(date).toBeLessThanOrEqual(5000)
    })
  })
}

function onlyFerryErrors(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    if (!FerryError.is(error)) throw error
  }
}

/** The event with the value at one of its places replaced. */
function replaceAt(data: string | undefined, where: number, value: unknown): WireEvent {
  if (!data?.startsWith('{')) return { data: JSON.stringify(value) }
  const root = { value: JSON.parse(data) }
  const places: [Record<string, unknown>, string][] = []
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    for (const key of Object.keys(node)) {
      places.push([node as Record<string, unknown>, key])
      walk((node as Record<string, unknown>)[key])
    }
  }
  walk(root)
  const [holder, key] = places[where % places.length]!
  holder[key] = value
  return { data: JSON.stringify(root.value) }
}
