import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLink, type Link } from '@llm-ferry/sdk/link'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DIALECTS } from '../testkit/dialects.ts'
import { eventually } from '../testkit/eventually.ts'
import { freePort } from '../testkit/ports.ts'
import { delay, ScriptedVendor } from '../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, relayEnv, type Service, startRelay } from '../testkit/services.ts'
import { Line } from './line.ts'
import { answerRightly, wholeBody } from './rig.ts'

// Two relays as processes, A before B, each behind a line of its own, and calls that never cease. Something happens to A.

const { openai } = DIALECTS
const isLong = process.env.MODE === 'long'
/** How long A is away. */
const AWAY_MS = isLong ? 20_000 : 4000
const CALL_EVERY_MS = isLong ? 50 : 100

interface Made {
  readonly id: string
  readonly startedAt: number
  relay?: string | undefined
  isWhole?: boolean
  code?: string
  endedAt?: number
}

let vendor: ScriptedVendor
let a: Service
let b: Service
let toA: Line
let toB: Line
let link: Link
let envOfA: Readonly<Record<string, string>>
let made: Made[] = []

beforeEach(async () => {
  vendor = await ScriptedVendor.start()
  answerRightly(vendor, (step) => [delay(5), step])
  const env = () => ({
    ...relayEnv(vendor.origin),
    EXCHANGE_MARKERS_DIR: mkdtempSync(join(tmpdir(), 'ferry-failover-')),
    LOG_LEVEL: 'fatal',
  })
  envOfA = { ...env(), PORT: String(await freePort()) }
  a = await startRelay(envOfA)
  b = await startRelay(env())
  toA = await Line.start(a.port)
  toB = await Line.start(b.port)
  link = createLink({ relays: [toA.origin, toB.origin] })
  made = []
})
afterEach(async () => {
  await link.close()
  for (const one of [toA, toB, a, b, vendor]) await one.stop()
})

async function call(): Promise<void> {
  const one: Made = { id: `call-${made.length}`, startedAt: performance.now() }
  made.push(one)
  const answer = await link.request({
    path: `/proxy/openai${openai.streamPath}`,
    method: 'POST',
    headers: ['authorization', `Bearer ${RELAY_TOKEN}`, 'content-type', 'application/json'],
    body: Buffer.from(openai.streamBody.replace('{', `{"user":"${one.id}",`)),
  })
  one.relay = answer.relay
  const pieces: Uint8Array[] = []
  try {
    for await (const piece of answer.body) pieces.push(piece)
    one.isWhole = answer.status === 200 && Buffer.concat(pieces).equals(wholeBody(openai, true))
    if (!one.isWhole) one.code = String(answer.status)
  } catch (error) {
    one.isWhole = false
    one.code = (error as { code: string }).code
  }
  one.endedAt = performance.now()
}

/** Calls at an even pace until the result is called, which waits for the last one. */
function underLoad(): () => Promise<void> {
  const running: Promise<void>[] = []
  const timer = setInterval(() => running.push(call()), CALL_EVERY_MS)
  return async () => {
    clearInterval(timer)
    await Promise.all(running)
  }
}

const hostOf = (line: Line): string => new URL(line.origin).host

describe('under load on A, which', () => {
  test.each<[string, () => Promise<() => Promise<void>>]>([
    [
      'is killed',
      async () => {
        await a.stop()
        return async () => {
          a = await startRelay(envOfA)
        }
      },
    ],
    [
      'is black-holed',
      async () => {
        toA.isBlackholed = true
        return async () => {
          toA.isBlackholed = false
          toA.cutAll('rst')
        }
      },
    ],
    [
      'answers 503',
      async () => {
        // It drains while one answer holds it; then it is started anew.
        a.signal('SIGTERM')
        return async () => {
          await a.stop()
          a = await startRelay(envOfA)
        }
      },
    ],
    [
      'is slow',
      async () => {
        toA.delayMs = 3000
        return async () => {
          toA.delayMs = 0
        }
      },
    ],
  ])(
    '%s: B has the new calls within 3 s, A within 30 s of its return, and no vendor is called twice',
    async (_, harm) => {
      const stop = underLoad()
      await eventually('A serves', () => made.filter(({ isWhole }) => isWhole).length >= 10, 10_000)
      expect(made.filter(({ isWhole }) => isWhole).every(({ relay }) => relay === hostOf(toA))).toBe(true)
      const harmedAt = performance.now()
      const heal = await harm()
      await sleep(Math.max(0, AWAY_MS + 1000 - (performance.now() - harmedAt)))
      await heal()
      const healedAt = performance.now()
      await eventually(
        'A serves again',
        () => made.some(({ startedAt, isWhole, relay }) => startedAt > healedAt && isWhole && relay === hostOf(toA)),
        30_000,
      )
      await stop()
      const between = made.filter(({ startedAt }) => startedAt > harmedAt + 3000 && startedAt < harmedAt + AWAY_MS)
      expect(between.length).toBeGreaterThan(0)
      expect(between.filter(({ isWhole, relay }) => !isWhole || relay !== hostOf(toB))).toEqual([])
      const seen = new Map<string, number>()
      for (const { body } of vendor.requests) {
        const id = /call-\d+/.exec(body.toString())?.[0] ?? ''
        seen.set(id, (seen.get(id) ?? 0) + 1)
      }
      expect([...seen].filter(([, times]) => times > 1)).toEqual([])
      expect(made.filter(({ id, isWhole }) => !isWhole && !seen.has(id))).toEqual([])
      expect(made.every(({ endedAt }) => endedAt !== undefined)).toBe(true)
    },
    120_000,
  )
})
