import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { choosePacking, type Frame, FrameDecoder, LINK_HEADERS, understoodPackings } from '@llm-ferry/sdk/link/wire'
import { beforeEach, describe, expect, test } from 'vitest'
import { afterBody, head, raw } from '../../../../test/testkit/scripted-vendor.ts'
import { LoadGate } from '../../src/link/load-gate.ts'
import { rig } from '../rig.ts'
import { answer, begin, carry, dataOf, dialect, newId, STREAM, typesOf } from './support.ts'

const env = { EXCHANGE_GRACE_MS: '200', EXCHANGE_MARKERS_DIR: mkdtempSync(join(tmpdir(), 'ferry-markers-')) }
const BEST = choosePacking(understoodPackings())

/** The frames of an answer, and what they took. */
async function read(response: Response): Promise<{ packing: string | null; frames: Frame[]; wire: Buffer }> {
  const packing = response.headers.get(LINK_HEADERS.pack)
  const wire = Buffer.from(await response.arrayBuffer())
  const decoder = new FrameDecoder(choosePacking(packing ?? undefined))
  const frames = decoder.push(wire)
  decoder.close()
  return { packing, frames, wire }
}

const asking = (packings: string) => ({ headers: { [LINK_HEADERS.pack]: packings } })

describe('a relay', () => {
  const relay = rig(env)
  beforeEach(() => answer(relay.vendor))

  test.each([
    ['the best packing', `${BEST}, deflate`, BEST, 0.2],
    ['the preset of another version', 'deflate.00000000, deflate', 'deflate', 0.5],
  ])('packs for who understands %s', async (_, packings, packing, share) => {
    const got = await read(await begin(relay.origin, newId(), asking(packings)))
    expect(got.packing).toBe(packing)
    expect(dataOf(got.frames).equals(STREAM)).toBe(true)
    expect(typesOf(got.frames)).toEqual(['heartbeat', 'head', 'data', 'end'])
    expect(got.wire.length).toBeLessThan(share * STREAM.length)
  })

  test.each([
    ['what no version knows', 'zpaq'],
    ['nothing', ''],
  ])('does not pack for who understands %s', async (_, packings) => {
    const got = await read(await begin(relay.origin, newId(), packings === '' ? {} : asking(packings)))
    expect(got.packing).toBeNull()
    expect(got.wire.includes(STREAM.subarray(0, 50))).toBe(true)
    expect(dataOf(got.frames).equals(STREAM)).toBe(true)
  })

  test('begins a new context on each carrier, and counts the vendor’s bytes', async () => {
    const id = newId()
    await (await begin(relay.origin, id, asking(`${BEST}`))).body?.cancel()
    for (const offset of [0, 1, 700, STREAM.length - 1, STREAM.length]) {
      const got = await read(await carry(relay.origin, id, { offset, ...asking(`${BEST}`) }))
      expect(dataOf(got.frames).equals(STREAM.subarray(offset))).toBe(true)
      expect(got.frames.find(({ type }) => type === 'head')).toMatchObject({ head: { offset } })
    }
    expect(relay.vendor.requests).toHaveLength(1)
  })

  test.each([
    [
      'the vendor has compressed',
      gzipSync(STREAM),
      [
        ['content-type', 'text/event-stream'],
        ['content-encoding', 'gzip'],
      ],
    ],
    ['are no text', Buffer.from('渡轮'.repeat(500)), [['content-type', 'audio/mpeg']]],
  ] as const)('passes bytes that %s as they are', async (_, body, headers) => {
    relay.vendor.script = afterBody(() => [head(200, [['content-length', String(body.length)], ...headers]), raw(body)])
    const got = await read(await begin(relay.origin, newId(), asking(`${BEST}`)))
    expect(dataOf(got.frames).equals(body)).toBe(true)
    expect(got.wire.includes(body)).toBe(true)
  })

  test('counts bytes raw and on the wire', async () => {
    const { wire } = await read(await begin(relay.origin, newId(), asking(`${BEST}`)))
    const page = await relay.metrics()
    const value = (labels: string): number =>
      Number(
        page
          .split('\n')
          .find((line) => line.startsWith(`relay_link_bytes_total{${labels}}`))
          ?.split(' ')[1],
      )
    expect(value('direction="in",form="raw"')).toBe(Buffer.byteLength(dialect.streamBody))
    expect(value('direction="out",form="raw"')).toBe(STREAM.length)
    expect(value('direction="out",form="wire"')).toBeLessThan(wire.length)
    expect(page).toMatch(/^relay_link_packing 1$/m)
    expect(page).toMatch(/^relay_link_packing_given_up_total 0$/m)
  })
})

describe('a relay whose LINK_COMPRESSION leaves answers out', () => {
  const relay = rig({ ...env, LINK_COMPRESSION: 'requests' })
  beforeEach(() => answer(relay.vendor))

  test('packs none', async () => {
    const got = await read(await begin(relay.origin, newId(), asking(`${BEST}`)))
    expect(got.packing).toBeNull()
    expect(dataOf(got.frames).equals(STREAM)).toBe(true)
  })
})

describe('packing is given up', () => {
  test('while the event loop is busy, and taken up again when it is calm', () => {
    let busy = 0
    const gate = new LoadGate(() => busy)
    const seen = [0.5, 0.95, 0.8, 0.7, 0.89, 0.92].map((share) => {
      busy = share
      gate.look()
      return gate.isOpen
    })
    gate.stop()
    expect(seen).toEqual([true, false, false, true, true, false])
    expect(gate.closings).toBe(2)
  })

  const relay = rig(env)
  beforeEach(() => answer(relay.vendor))

  test('by a process that is really busy: its answers come plain, and the metric says so', async () => {
    const until = performance.now() + 1200
    while (performance.now() < until) {
      const spin = performance.now() + 90
      while (performance.now() < spin);
      await new Promise(setImmediate)
    }
    const response = begin(relay.origin, newId(), asking(`${BEST}`))
    const got = await read(await response)
    expect(dataOf(got.frames).equals(STREAM)).toBe(true)
    expect(got.wire.includes(STREAM.subarray(0, 50))).toBe(true)
    expect(await relay.metrics()).toMatch(/^relay_link_packing_given_up_total 1$/m)
  })
})
