import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DIALECTS } from '../testkit/dialects.ts'
import { VENDORS } from '../testkit/services.ts'
import type { Cut, Fate } from './line.ts'
import { type BorderRig, callOverLink, startBorder, wholeBody } from './rig.ts'

// The promise of the link: cut it wherever you like, the bytes are the uncut ones and the vendor is called once.

let rig: BorderRig
beforeAll(async () => {
  rig = await startBorder()
})
afterAll(() => rig.stop())
beforeEach(() => rig.vendor.clear())

const isLong = process.env.MODE === 'long'
const shapes = VENDORS.flatMap((vendor) => [true, false].map((streamed) => ({ vendor, streamed })))

/** Bytes that one uncut call moves up and down the line. */
async function uncut(vendor: keyof typeof DIALECTS, streamed: boolean): Promise<{ up: number; down: number }> {
  await rig.newLink()
  rig.line.fate = () => undefined
  const before = { ...rig.line.bytes }
  await callOverLink(rig.link, DIALECTS[vendor], streamed)
  return { up: rig.line.bytes.up - before.up - DELETE_BYTES, down: rig.line.bytes.down - before.down }
}

/** More than what acknowledges an answer. */
const DELETE_BYTES = 250

describe.each(shapes)('$vendor, streamed: $streamed', ({ vendor, streamed }) => {
  const dialect = DIALECTS[vendor]

  async function expectWhole(): Promise<void> {
    rig.vendor.clear()
    const { status, body } = await callOverLink(rig.link, dialect, streamed)
    expect(status).toBe(200)
    expect(body.equals(wholeBody(dialect, streamed))).toBe(true)
    expect(rig.vendor.requests).toHaveLength(1)
  }

  /** A new link, whose first connections have these fates; those after them live. */
  async function cutFirst(...fates: readonly Fate[]): Promise<void> {
    await rig.newLink()
    // What the former link has begun comes to its end.
    await sleep(5)
    rig.line.connections = 0
    rig.line.cuts = 0
    rig.line.fate = (connection) => fates[connection]
  }

  test.each<[Cut, number]>([
    ['fin', isLong ? 1 : 11],
    ['rst', isLong ? 1 : 13],
    ['blackhole', isLong ? 40 : 250],
  ])('cut once by %s, after every %i. byte of the answer', async (how, step) => {
    const { down } = await uncut(vendor, streamed)
    let cuts = 0
    for (let at = 0; at <= down; at += step) {
      await cutFirst({ afterDown: at, how })
      await expectWhole()
      cuts += rig.line.cuts
    }
    // Heartbeats and acknowledgements more or less move the end, and a busy machine packs less.
    const least = Math.min(down, (await uncut(vendor, streamed)).down)
    expect(cuts).toBeGreaterThan((0.7 * least) / step - 1)
  })

  test.each<[Cut, number]>([
    ['fin', isLong ? 1 : 23],
    ['rst', isLong ? 1 : 29],
    ['blackhole', isLong ? 40 : 300],
  ])('cut once by %s, after every %i. byte of the request', async (how, step) => {
    const { up } = await uncut(vendor, streamed)
    for (let at = 0; at <= up; at += step) {
      await cutFirst({ afterUp: at, how })
      await expectWhole()
      expect(rig.line.cuts).toBe(1)
    }
  })

  test('cut up to 100 times at random', async () => {
    const how = fc.constantFrom<Cut>('fin', 'rst')
    const limit = fc.integer({ min: 0, max: 1500 })
    const fate = fc.oneof(fc.record({ afterDown: limit, how }), fc.record({ afterUp: limit, how }))
    const fates = fc.array(fate, { minLength: 1, maxLength: 100, size: 'max' })
    const run = async (list: readonly Fate[]): Promise<void> => {
      await cutFirst(...list)
      await expectWhole()
    }
    await fc.assert(fc.asyncProperty(fates, run), { numRuns: isLong ? 200 : 5, endOnFailure: true })
  })
})
