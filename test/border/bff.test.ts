import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { GoogleGenerativeAI } from '@google/generative-ai'
import { createFerry } from '@llm-ferry/sdk'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { eventually } from '../testkit/eventually.ts'
import { delay } from '../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, type Service, startBff, VENDORS } from '../testkit/services.ts'
import { answerRightly, type BorderRig, startBorder } from './rig.ts'

// What callers of the BFF see while the line behind it breaks again and again: nothing.

const BFF_KEY = 'bff-key-0123456789abcdef01234567'
let rig: BorderRig
let bff: Service
let folder: string
const ledgerFile = (): string => join(folder, 'ledger.jsonl')

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ferry-border-bff-'))
  rig = await startBorder()
  bff = await startBff({
    BFF_KEYS: `app:${BFF_KEY}`,
    RELAY_URLS: rig.line.origin,
    RELAY_TOKEN,
    LEDGER_FILE: ledgerFile(),
    RATE_LIMIT_RPM: '10000',
    KEY_RATE_LIMIT_RPM: '10000',
  })
})
afterAll(async () => {
  await bff.stop()
  await rig.stop()
  rmSync(folder, { recursive: true, force: true })
})
beforeEach(() => {
  answerRightly(rig.vendor)
  rig.line.fate = () => undefined
})

const ferry = () => createFerry({ baseURL: bff.origin, apiKey: BFF_KEY, maxRetries: 0 })
const ask = (vendor: string) => ({
  model: `${vendor}/any-model`,
  messages: [{ role: 'user' as const, content: 'hello' }],
})

async function streamText(vendor: string): Promise<string> {
  let text = ''
  for await (const event of ferry().chat.stream(ask(vendor))) if (event.type === 'text-delta') text += event.text
  return text
}

// It takes no fetch of its own, so the link cannot be put under it: the BFF's native route is its way over the border.
const google = () =>
  new GoogleGenerativeAI(BFF_KEY).getGenerativeModel(
    { model: 'gemini-x' },
    { baseUrl: `${bff.origin}/proxy/gemini`, apiVersion: 'v1beta' },
  )

async function googleStream(): Promise<string> {
  let text = ''
  for await (const chunk of (await google().generateContentStream('hello')).stream) text += chunk.text()
  return text
}

const CALLS: readonly (readonly [string, () => Promise<string>])[] = [
  ...VENDORS.flatMap((vendor) => [
    [`${vendor}, plain`, async () => (await ferry().chat(ask(vendor))).text] as const,
    [`${vendor}, streamed`, () => streamText(vendor)] as const,
  ]),
  ['@google/generative-ai, plain', async () => (await google().generateContent('hello')).response.text()],
  ['@google/generative-ai, streamed', googleStream],
]

interface Entry {
  readonly id: string
  readonly outcome: string
  readonly attempts: number
}

function ledger(): Entry[] {
  try {
    const lines = readFileSync(ledgerFile(), 'utf8').split('\n').slice(0, -1)
    return lines.map((line) => JSON.parse(line) as Entry)
  } catch {
    return []
  }
}

const metricsPage = async (): Promise<string> => (await fetch(`http://127.0.0.1:${bff.metricsPort}/metrics`)).text()

/** How many carriers broke under a call and were followed by another. */
const breaks = async (): Promise<number> =>
  Number(/^link_reconnects_total\{[^}]*cause="break"[^}]*\} (\S+)$/m.exec(await metricsPage())?.[1] ?? 0)

/** Longer than the ledger waits before it writes. */
const LEDGER_MS = 1200

test.each(CALLS)('%s: the uncut text, one call at the vendor and one record in the ledger', async (_, call) => {
  const before = ledger().length
  const breaksBefore = await breaks()
  let calls = 1
  const whole = await call()
  expect(whole).not.toBe('')
  for (let every = 600; every < 1500; every += 150, calls++) {
    rig.line.cutAll('rst')
    await sleep(30)
    rig.vendor.clear()
    const first = rig.line.connections
    rig.line.fate = (connection) =>
      connection - first < 5 ? { afterDown: every, how: connection % 2 ? 'fin' : 'rst' } : undefined
    expect(await call()).toBe(whole)
    expect(rig.vendor.requests).toHaveLength(1)
  }
  expect((await breaks()) - breaksBefore).toBeGreaterThan(0)
  await eventually('a record of each call', () => ledger().length >= before + calls)
  await sleep(LEDGER_MS)
  const entries = ledger().slice(before)
  expect(entries).toHaveLength(calls)
  expect(new Set(entries.map(({ id }) => id)).size).toBe(calls)
  for (const entry of entries) expect(entry).toMatchObject({ outcome: 'completed', attempts: 1 })
})

test('a caller who leaves ends the vendor’s call within a second', async () => {
  rig.vendor.clear()
  answerRightly(rig.vendor, (step) => [delay(150), step])
  for await (const event of ferry().chat.stream(ask('openai'))) if (event.type === 'text-delta') break
  const left = performance.now()
  expect((await rig.vendor.only.closed).at - left).toBeLessThan(1000)
})

test('a relay that refuses our token is the operator’s fault, not the caller’s', async () => {
  const other = await startBff({ BFF_KEYS: `app:${BFF_KEY}`, RELAY_URLS: rig.line.origin, RELAY_TOKEN: 'x'.repeat(32) })
  const client = createFerry({ baseURL: other.origin, apiKey: BFF_KEY, maxRetries: 0 })
  await expect(client.chat(ask('openai'))).rejects.toMatchObject({ code: 'upstream_unreachable' })
  await other.stop()
})

test('what the link went through is in the metrics', async () => {
  rig.vendor.clear()
  const first = rig.line.connections
  rig.line.fate = (connection) => (connection - first < 3 ? { afterDown: 700, how: 'rst' } : undefined)
  rig.line.cutAll('rst')
  await sleep(30)
  await streamText('openai')
  const page = await metricsPage()
  const relay = new URL(rig.line.origin).host
  const value = (name: string, more = ''): number =>
    Number(new RegExp(`^${name}\\{relay="${relay}"${more}\\} (\\S+)$`, 'm').exec(page)?.[1])
  expect(value('link_relay_up')).toBe(1)
  expect(value('link_address_up', `,address="${relay}"`)).toBe(1)
  expect(value('link_round_trip_seconds')).toBeGreaterThan(0)
  expect(value('link_exchanges_total', ',outcome="complete"')).toBeGreaterThan(0)
  expect(value('link_reconnects_total', ',cause="break"')).toBeGreaterThan(0)
  expect(value('link_resumed_bytes_total')).toBeGreaterThan(0)
  expect(value('link_open_exchanges')).toBe(0)
  expect(value('link_open_connections')).toBeGreaterThan(0)
  expect(value('link_carriers_total')).toBeGreaterThan(value('link_exchanges_total', ',outcome="complete"'))
  expect(value('link_connections_total', ',result="opened"')).toBeGreaterThan(0)
  // As the line itself counts: but for what is under way between the two.
  const wire = value('link_bytes_total', ',direction="in",form="wire"')
  expect(wire).toBeGreaterThan(0)
  expect(wire).toBeLessThanOrEqual(rig.line.bytes.down)
  expect(value('link_lost_exchanges_total')).toBe(0)
})
