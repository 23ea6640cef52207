import { setTimeout as sleep } from 'node:timers/promises'
import { createLink, type Link } from '@llm-ferry/sdk/link'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DIALECTS, sseHead } from '../testkit/dialects.ts'
import { eventually } from '../testkit/eventually.ts'
import { chunk, delay, hang, ScriptedVendor } from '../testkit/scripted-vendor.ts'
import { Line } from './line.ts'
import { answerRightly, callOverLink, startRelayHere, wholeBody } from './rig.ts'

// Two relays, A before B, each behind a line of its own, and one vendor behind both.

const isLong = process.env.MODE === 'long'

type HereRelay = Awaited<ReturnType<typeof startRelayHere>>
let vendor: ScriptedVendor
let a: HereRelay
let b: HereRelay
let toA: Line
let toB: Line
let link: Link

beforeEach(async () => {
  vendor = await ScriptedVendor.start()
  a = await startRelayHere(vendor, { EXCHANGE_GRACE_MS: '120000' })
  b = await startRelayHere(vendor)
  toA = await Line.start(a.port)
  toB = await Line.start(b.port)
  link = createLink({
    relays: [toA.origin, toB.origin],
    connectMs: 500,
    leastSilenceMs: 200,
    mostSilenceMs: 400,
    graceMs: 3000,
  })
  answerRightly(vendor)
})
afterEach(async () => {
  await link.close()
  for (const one of [toA, toB, a, b, vendor]) await one.stop()
})

const { openai } = DIALECTS
const call = () => callOverLink(link, openai, true)
const usesA = async (): Promise<boolean> => (await call()).relay === new URL(toA.origin).host

test('A serves while it is well', async () => {
  expect(await usesA()).toBe(true)
  // What is open to B stands by.
  expect((await call()).relay).toBe(new URL(toA.origin).host)
})

test('a relay that refuses connections is left at once, and taken again when it is back', async () => {
  const { port } = toA
  await toA.stop()
  const { status } = await call()
  expect(status).toBe(200)
  expect(vendor.requests).toHaveLength(1)
  expect(toB.connections).toBeGreaterThan(0)
  toA = await Line.start(a.port, {}, port)
  await eventually('A is used again', usesA, 10_000)
})

test('a relay that is black-holed costs one call its patience, and those after it nothing', async () => {
  toA.isBlackholed = true
  const first = callOverLink(link, openai, true)
  await sleep(1500)
  const startedAt = performance.now()
  const { body } = await call()
  expect(performance.now() - startedAt).toBeLessThan(1000)
  expect(body.equals(wholeBody(openai, true))).toBe(true)
  toA.isBlackholed = false
  toA.cutAll('rst')
  // It could not be known whether A had the first one; A says that it had not, and it goes on there.
  expect((await first).status).toBe(200)
  expect(vendor.requests).toHaveLength(2)
  await eventually('A is used again', usesA, 10_000)
})

test('a relay that answers 503 is passed over; what it holds it still brings', async () => {
  await a.stop()
  a = await startRelayHere(vendor, { DRAIN_TIMEOUT_MS: '3000' })
  const { port } = toA
  await toA.stop()
  toA = await Line.start(a.port, {}, port)
  answerRightly(vendor, (step) => [delay(60), step])
  const running = call()
  await vendor.received()
  const drained = a.drain()
  answerRightly(vendor)
  expect((await call()).status).toBe(200)
  toA.cutAll('rst')
  expect((await running).body.equals(wholeBody(openai, true))).toBe(true)
  expect(vendor.requests).toHaveLength(2)
  await drained
})

test('a stream on a relay that dies ends in an error, and nobody is called again', async () => {
  vendor.script = () => [sseHead(), chunk('data: 1\n\n'), hang()]
  const running = callOverLink(link, openai, true)
  await vendor.received()
  await sleep(50)
  toA.cutAll('rst')
  toA.isBlackholed = true
  await expect(running).rejects.toMatchObject({ code: 'exchange_lost' })
  expect(vendor.requests).toHaveLength(1)
}, 20_000)

test('no relay at all is an answer that says so, and that nothing was reached', async () => {
  await toA.stop()
  await toB.stop()
  const answer = await link.request({
    path: '/proxy/openai/v1/models',
    method: 'GET',
    headers: [],
    body: Buffer.alloc(0),
  })
  expect(answer.status).toBe(502)
  expect(answer.headers).toEqual(
    expect.arrayContaining(['x-ferry-error', 'upstream_unreachable', 'x-ferry-reached', 'no']),
  )
  expect(vendor.requests).toHaveLength(0)
})

describe('one (address, port) that is black-holed in mid-stream', () => {
  test('costs time only: another address of the same relay brings the rest', async () => {
    await link.close()
    link = createLink({
      relays: [[toA.origin, (await secondLine()).origin]],
      connectMs: 500,
      leastSilenceMs: 200,
      mostSilenceMs: 400,
    })
    answerRightly(vendor, (step) => [delay(40), step])
    const running = callOverLink(link, openai, true)
    await vendor.received()
    await sleep(200)
    toA.isBlackholed = true
    expect((await running).body.equals(wholeBody(openai, true))).toBe(true)
    expect(vendor.requests).toHaveLength(1)
  })

  test('is passed by from then on: a new call takes the other address at once, with the same relay’s name', async () => {
    await link.close()
    link = createLink({
      relays: [`${toA.origin}|${(await secondLine()).origin}`, 'http://127.0.0.1:9'],
      connectMs: 500,
      leastSilenceMs: 200,
      mostSilenceMs: 400,
    })
    answerRightly(vendor, (step) => [delay(40), step])
    const running = call()
    await vendor.received()
    toA.isBlackholed = true
    await running
    vendor.clear()
    answerRightly(vendor)
    const startedAt = performance.now()
    expect((await call()).relay).toBe(new URL(toA.origin).host)
    expect(performance.now() - startedAt).toBeLessThan(300)
    const [stats] = link.stats()
    expect(stats).toMatchObject({ isWell: true, failovers: 0, stalls: 1, openExchanges: 0 })
    expect(stats?.addresses.map(({ state }) => state)).toEqual(['down', 'well'])
    toA.isBlackholed = false
    toA.cutAll('rst')
    await eventually('the first address is taken again', () => link.stats()[0]?.addresses[0]?.state === 'well', 10_000)
  })

  test('and has no other address is waited for, though it be for 90 s', async () => {
    await link.close()
    link = createLink({ relays: [toA.origin], connectMs: 500, leastSilenceMs: 200, mostSilenceMs: 400 })
    answerRightly(vendor, (step) => [delay(40), step])
    const running = call()
    await vendor.received()
    await sleep(200)
    toA.isBlackholed = true
    await sleep(isLong ? 90_000 : 1800)
    toA.isBlackholed = false
    toA.cutAll('rst')
    expect((await running).body.equals(wholeBody(openai, true))).toBe(true)
    expect(vendor.requests).toHaveLength(1)
  }, 130_000)
})

async function secondLine(): Promise<Line> {
  await toB.stop()
  toB = await Line.start(a.port)
  return toB
}
