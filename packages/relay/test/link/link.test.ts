import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import { sseHead } from '../../../../test/testkit/dialects.ts'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { afterBody, chunk, delay, hang, head, raw, reset } from '../../../../test/testkit/scripted-vendor.ts'
import { RELAY_TOKEN, VENDOR_KEYS } from '../../../../test/testkit/services.ts'
import { rig, start } from '../rig.ts'
import {
  answer,
  begin,
  cancel,
  carry,
  dataOf,
  dialect,
  newId,
  readFrames,
  refusalOf,
  STREAM,
  streamSlowly,
  typesOf,
} from './support.ts'

const OTHER_TOKEN = 'relay-token-other-0123456789abcdef'
const markers = (): string => mkdtempSync(join(tmpdir(), 'ferry-markers-'))
const env = {
  RELAY_TOKENS: `app:${RELAY_TOKEN},other:${OTHER_TOKEN}`,
  EXCHANGE_MARKERS_DIR: markers(),
  EXCHANGE_GRACE_MS: '400',
  LINK_HEARTBEAT_MS: '50',
  DRAIN_TIMEOUT_MS: '1500',
}
const relay = rig(env)

beforeEach(() => answer(relay.vendor))

describe('a durable request', () => {
  test('is answered in frames, and nothing of the link reaches the vendor', async () => {
    const response = await begin(relay.origin, newId(), { headers: { 'x-ferry-scope': 'tenant' } })
    expect(response.status).toBe(200)
    expect(response.headers.get('x-ferry-frames')).toBe('1')
    expect(response.headers.get('x-ferry-heartbeat')).toBe('50')
    const frames = await readFrames(response)
    expect(typesOf(frames)).toEqual(['heartbeat', 'head', 'data', 'end'])
    expect(dataOf(frames)).toEqual(STREAM)
    expect(frames.at(-1)).toEqual({ type: 'end', end: { bytes: STREAM.length, trailers: [] } })
    expect(frames.find(({ type }) => type === 'head')).toMatchObject({ head: { status: 200, offset: 0 } })
    expect(relay.vendor.only.text).not.toMatch(/x-ferry/i)
    expect(relay.vendor.only.header('authorization')).toBe(`Bearer ${VENDOR_KEYS.openai}`)
    expect(relay.vendor.only.body.toString()).toBe(dialect.streamBody)
  })

  test('is the vendor’s answer as it is for whoever asks for no frames', async () => {
    const id = newId()
    const ask = { headers: { 'x-ferry-frames': '0' }, path: dialect.path }
    const response = await begin(relay.origin, id, { ...ask, body: dialect.body })
    expect(await response.text()).toBe(dialect.answer)
    expect(response.headers.get('content-length')).toBe(String(dialect.answer.length))
    const again = await carry(relay.origin, id, { ...ask, body: dialect.body, offset: 10 })
    expect(await again.text()).toBe(dialect.answer.slice(10))
    expect(again.headers.get('content-length')).toBeNull()
    expect(relay.vendor.requests).toHaveLength(1)
  })

  test('gives the same rest from every offset, and the vendor one call', async () => {
    const id = newId()
    await readFrames(await begin(relay.origin, id))
    for (let offset = 0; offset <= STREAM.length; offset += 37) {
      const frames = await readFrames(await carry(relay.origin, id, { offset }))
      expect(dataOf(frames)).toEqual(STREAM.subarray(offset))
      expect(frames.at(-1)?.type).toBe('end')
    }
    expect(relay.vendor.requests).toHaveLength(1)
  })

  test('has heartbeats before the vendor’s head and between its events', async () => {
    relay.vendor.script = afterBody(() => [
      delay(200),
      sseHead(),
      chunk(dialect.stream[0] ?? ''),
      delay(200),
      raw('0\r\n\r\n'),
    ])
    const frames = await readFrames(await begin(relay.origin, newId()))
    expect(typesOf(frames)).toEqual(['heartbeat', 'head', 'data', 'heartbeat', 'end'])
    expect(frames.filter(({ type }) => type === 'heartbeat').length).toBeGreaterThan(4)
  })

  test('is logged and counted once, however often it is carried', async () => {
    const id = newId()
    await readFrames(await begin(relay.origin, id))
    for (let i = 0; i < 3; i++) await readFrames(await carry(relay.origin, id, { offset: 0 }))
    await cancel(relay.origin, id)
    expect(relay.lines.filter(({ event }) => event === 'request')).toMatchObject([
      { tokenName: 'app', vendor: 'openai', status: 200, outcome: 'completed', bytesOut: STREAM.length },
    ])
    expect(await relay.metrics()).toContain('http_requests_total{vendor="openai",method="POST",status="200"} 1')
  })
})

describe('a lost connection', () => {
  test('leaves the vendor’s call running, and a resume gets the rest', async () => {
    streamSlowly(relay.vendor, 30)
    const id = newId()
    const first = await readFrames(await begin(relay.origin, id), (frames) => dataOf(frames).length > 0)
    const offset = dataOf(first).length
    await sleep(50)
    expect(relay.vendor.only.closing).toBeUndefined()
    const rest = await readFrames(await carry(relay.origin, id, { offset }))
    expect(Buffer.concat([dataOf(first), dataOf(rest)])).toEqual(STREAM)
    expect(rest.at(-1)?.type).toBe('end')
    expect(relay.vendor.requests).toHaveLength(1)
  })

  test('ends the call when the grace is over', async () => {
    relay.vendor.script = afterBody(() => [sseHead(), chunk('data: 1\n\n'), hang()])
    const id = newId()
    await readFrames(await begin(relay.origin, id), (frames) => dataOf(frames).length > 0)
    const { at } = await relay.vendor.only.closed
    expect(at - relay.vendor.only.startedAt).toBeGreaterThan(390)
    expect(await refusalOf(await carry(relay.origin, id, { offset: 0 }))).toEqual({
      status: 410,
      code: 'exchange_lost',
      reached: 'unknown',
    })
  })

  test('while another carrier already reads changes nothing', async () => {
    streamSlowly(relay.vendor, 30)
    const id = newId()
    const first = await begin(relay.origin, id)
    const second = await carry(relay.origin, id, { offset: 0 })
    expect((await readFrames(first)).at(-1)).toMatchObject({ type: 'abort', abort: { code: 'conflict' } })
    expect(dataOf(await readFrames(second))).toEqual(STREAM)
  })
})

describe('a cancel', () => {
  test('ends the vendor’s call at once', async () => {
    relay.vendor.script = afterBody(() => [sseHead(), chunk('data: 1\n\n'), hang()])
    const id = newId()
    const response = await begin(relay.origin, id)
    await readFrames(response, (frames) => dataOf(frames).length > 0)
    const asked = performance.now()
    expect((await cancel(relay.origin, id)).status).toBe(204)
    expect((await relay.vendor.only.closed).at - asked).toBeLessThan(200)
    expect(await refusalOf(await cancel(relay.origin, id))).toMatchObject({ status: 404 })
    expect(await refusalOf(await carry(relay.origin, id, { offset: 0 }))).toMatchObject({ code: 'exchange_lost' })
    expect(await refusalOf(await begin(relay.origin, id))).toMatchObject({ code: 'exchange_lost' })
  })

  test('that overtakes its request prevents it', async () => {
    const id = newId()
    expect(await refusalOf(await cancel(relay.origin, id))).toMatchObject({ status: 404, reached: 'no' })
    expect(await refusalOf(await begin(relay.origin, id))).toEqual({
      status: 499,
      code: 'client_closed',
      reached: 'no',
    })
    expect(relay.vendor.requests).toHaveLength(0)
  })

  test('needs the token and scope that began', async () => {
    streamSlowly(relay.vendor, 20)
    const id = newId()
    const response = await begin(relay.origin, id, { headers: { 'x-ferry-scope': 'a' } })
    expect((await cancel(relay.origin, id)).status).toBe(404)
    expect((await cancel(relay.origin, id, { 'x-ferry-scope': 'b' })).status).toBe(404)
    expect((await cancel(relay.origin, id, { authorization: `Bearer ${OTHER_TOKEN}` })).status).toBe(404)
    expect((await cancel(relay.origin, id, { authorization: 'Bearer nobody' })).status).toBe(401)
    expect(dataOf(await readFrames(response))).toEqual(STREAM)
  })
})

describe('refuses', () => {
  test.each([
    ['no affinity', 'abcdefghijklmnopqrstuvwxyz'],
    ['too little random', 'conv.abc'],
    ['a path', '../x.abcdefghijklmnopqrstuvwxyz'],
  ])('an id with %s', async (_, id) => {
    expect(await refusalOf(await begin(relay.origin, id))).toEqual({
      status: 400,
      code: 'invalid_request',
      reached: 'no',
    })
  })

  test('the same id with another body or path', async () => {
    const id = newId()
    await readFrames(await begin(relay.origin, id))
    for (const ask of [{ body: dialect.body }, { path: '/v1/responses' }]) {
      const refusal = await refusalOf(await begin(relay.origin, id, { offset: 0, ...ask }))
      expect(refusal).toEqual({ status: 409, code: 'conflict', reached: 'unknown' })
    }
    expect(relay.vendor.requests).toHaveLength(1)
  })

  test('a body that is not what its digest says', async () => {
    const headers = { 'x-ferry-digest': '0'.repeat(64) }
    const refusal = await refusalOf(await begin(relay.origin, newId(), { headers }))
    expect(refusal).toEqual({ status: 400, code: 'invalid_request', reached: 'no' })
    expect(relay.vendor.requests).toHaveLength(0)
  })

  test('a resume of what never began, and offsets beyond what exists', async () => {
    const id = newId()
    expect(await refusalOf(await carry(relay.origin, id, { offset: 0 }))).toEqual({
      status: 404,
      code: 'not_found',
      reached: 'no',
    })
    await readFrames(await begin(relay.origin, id))
    const beyond = await refusalOf(await carry(relay.origin, id, { offset: STREAM.length + 1 }))
    expect(beyond).toMatchObject({ status: 416, code: 'range_not_satisfiable' })
  })

  test('a start of what is being read, as a late original is', async () => {
    streamSlowly(relay.vendor, 20)
    const id = newId()
    const response = await begin(relay.origin, id)
    expect(await refusalOf(await begin(relay.origin, id))).toMatchObject({ code: 'conflict' })
    expect(dataOf(await readFrames(response))).toEqual(STREAM)
    expect(relay.vendor.requests).toHaveLength(1)
  })
})

describe('the vendor’s failures', () => {
  test('are the exchange’s answer, given again to whoever asks again', async () => {
    relay.vendor.script = afterBody(() => [head(401, [['content-length', '2']]), raw('{}')])
    const id = newId()
    for (const ask of [{}, { offset: 0 }]) {
      const frames = await readFrames(await begin(relay.origin, id, ask))
      expect(frames.find(({ type }) => type === 'head')).toMatchObject({ head: { status: 502 } })
      expect(dataOf(frames).toString()).toContain('vendor_key_rejected')
      expect(frames.at(-1)?.type).toBe('end')
    }
    expect(relay.vendor.requests).toHaveLength(1)
  })

  test('in mid-answer abort it: no end follows, and a resume is told the same', async () => {
    relay.vendor.script = afterBody(() => [sseHead(), chunk('data: 1\n\n'), delay(50), reset()])
    const id = newId()
    for (const ask of [{}, { offset: 0 }]) {
      const frames = await readFrames(await begin(relay.origin, id, ask))
      expect(dataOf(frames).toString()).toBe('data: 1\n\n')
      expect(frames.at(-1)).toMatchObject({ type: 'abort', abort: { code: 'upstream_truncated' } })
    }
    const plain = await begin(relay.origin, id, { offset: 0, headers: { 'x-ferry-frames': '0' } })
    await expect(plain.text()).rejects.toThrow()
  })
})

describe('a relay that', () => {
  test('was restarted knows that it has lost the exchange, and calls nobody again', async () => {
    const id = newId()
    const folder = markers()
    const first = await start({ ...env, EXCHANGE_MARKERS_DIR: folder, EXCHANGE_GRACE_MS: '10' })
    answer(first.vendor)
    await readFrames(await begin(first.origin, id))
    await first.stop()
    const second = await start({ ...env, EXCHANGE_MARKERS_DIR: folder })
    for (const ask of [{}, { offset: 0 }]) {
      const refusal = await refusalOf(await begin(second.origin, id, ask))
      expect(refusal).toEqual({ status: 410, code: 'exchange_lost', reached: 'unknown' })
    }
    expect(second.vendor.requests).toHaveLength(0)
    await second.stop()
  })

  test('drains refuses what is new, and serves what it holds', async () => {
    const draining = await start({ ...env, EXCHANGE_MARKERS_DIR: markers() })
    streamSlowly(draining.vendor, 30)
    const id = newId()
    await readFrames(await begin(draining.origin, id), (frames) => dataOf(frames).length > 0)
    const stopped = draining.stop()
    await sleep(20)
    const refusal = await refusalOf(await begin(draining.origin, newId())).catch(() => undefined)
    if (refusal !== undefined) expect(refusal).toEqual({ status: 503, code: 'draining', reached: 'no' })
    await stopped
  })

  test('has no room refuses what is new before it is claimed', async () => {
    const tight = await start({
      ...env,
      EXCHANGE_MARKERS_DIR: markers(),
      EXCHANGE_MAX_BYTES: '2000',
      EXCHANGES_MAX_BYTES: '2000',
    })
    tight.vendor.script = afterBody(() => [sseHead(), chunk('x'.repeat(3000)), hang()])
    const id = newId()
    await readFrames(await begin(tight.origin, id), (frames) => dataOf(frames).length >= 3000)
    const other = newId()
    const refusal = await refusalOf(await begin(tight.origin, other))
    expect(refusal).toEqual({ status: 503, code: 'overloaded', reached: 'no' })
    await cancel(tight.origin, id)
    answer(tight.vendor)
    await eventually('room again', async () => (await begin(tight.origin, other)).status === 200)
    await tight.stop()
  })
})

describe('the metrics', () => {
  test('count calls, broken connections, resumes and what waited for them', async () => {
    streamSlowly(relay.vendor, 30)
    const id = newId()
    const leaving = new AbortController()
    const first = await begin(relay.origin, id, { signal: leaving.signal })
    const seen = await readFrames(first, (frames) => dataOf(frames).length > 0)
    leaving.abort()
    await eventually('the break is counted', async () =>
      (await relay.metrics()).includes('relay_link_broken_carriers_total 1'),
    )
    await sleep(100)
    const offset = dataOf(seen).length
    expect(dataOf(await readFrames(await carry(relay.origin, id, { offset })))).toEqual(STREAM.subarray(offset))
    expect((await refusalOf(await carry(relay.origin, newId()))).code).toBe('not_found')
    const page = await relay.metrics()
    expect(page).toMatch(/^relay_link_vendor_calls_total 1$/m)
    expect(page).toMatch(/^relay_link_duplicate_calls_total 0$/m)
    expect(page).toMatch(/^relay_link_resumes_total 1$/m)
    expect(page).toMatch(/^relay_link_resumed_bytes_total [1-9]/m)
    expect(page).toMatch(/^relay_link_refusals_total\{code="not_found"\} 1$/m)
    expect(page).toMatch(/^relay_link_exchanges 1$/m)
    expect(Number(/^relay_link_held_bytes (\d+)$/m.exec(page)?.[1])).toBeGreaterThanOrEqual(STREAM.length)
  })

  test('count a second call for one exchange, which takes somebody who empties the folder of markers', async () => {
    const id = newId()
    await readFrames(await begin(relay.origin, id))
    expect((await cancel(relay.origin, id)).status).toBe(204)
    expect((await refusalOf(await begin(relay.origin, id))).code).toBe('exchange_lost')
    for (const file of readdirSync(env.EXCHANGE_MARKERS_DIR))
      rmSync(join(env.EXCHANGE_MARKERS_DIR, file), { recursive: true })
    await readFrames(await begin(relay.origin, id))
    expect(await relay.metrics()).toMatch(/^relay_link_duplicate_calls_total 1$/m)
  })
})
