import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFerry, type Ferry } from '@llm-ferry/sdk'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '../testkit/eventually.ts'
import { delay } from '../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, type Service, startBff, VENDORS } from '../testkit/services.ts'
import { Line } from './line.ts'
import { answerRightly, type BorderRig, startBorder } from './rig.ts'

// What users of the SDK see while their own line to the BFF breaks again and again: nothing.

const BFF_KEY = 'bff-key-0123456789abcdef01234567'
let folder: string
let rig: BorderRig
let bff: Service
let line: Line

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ferry-caller-line-'))
  rig = await startBorder()
  bff = await startBff({
    BFF_KEYS: `app:${BFF_KEY}`,
    RELAY_URLS: rig.line.origin,
    RELAY_TOKEN,
    LEDGER_FILE: join(folder, 'ledger.jsonl'),
    SPOOL_DIR: join(folder, 'spool'),
    RATE_LIMIT_RPM: '10000',
    KEY_RATE_LIMIT_RPM: '10000',
  })
  line = await Line.start(bff.port)
})
afterAll(async () => {
  await line.stop()
  await bff.stop()
  await rig.stop()
  rmSync(folder, { recursive: true, force: true })
})
beforeEach(async () => {
  answerRightly(rig.vendor)
  // Connections that are to be cut later are another test's.
  line.fate = () => undefined
  line.cutAll('rst')
  await sleep(100)
  rig.vendor.clear()
})

const ferry = (more = {}): Ferry => createFerry({ baseURL: line.origin, apiKey: BFF_KEY, ...more })
const ask = (vendor: string) => ({
  model: `${vendor}/any-model`,
  messages: [{ role: 'user' as const, content: 'hello' }],
})

async function streamed(client: Ferry, vendor: string): Promise<{ text: string; id: string }> {
  const stream = client.chat.stream(ask(vendor))
  let text = ''
  for await (const event of stream) if (event.type === 'text-delta') text += event.text
  return { text, id: (await stream.meta).requestId ?? '' }
}

async function plain(client: Ferry, vendor: string): Promise<{ text: string; id: string }> {
  const { text, meta } = await client.chat(ask(vendor))
  return { text, id: meta.requestId ?? '' }
}

const ledger = (): readonly { readonly id: string; readonly outcome: string }[] =>
  readFileSync(join(folder, 'ledger.jsonl'), 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((text) => JSON.parse(text) as { id: string; outcome: string })

describe.each(VENDORS)('%s', (vendor) => {
  test.each([
    ['plain', plain],
    ['streamed', streamed],
  ])('%s: cut anywhere, the text is the uncut one, of one call with one line in the ledger', async (_, call) => {
    // As often as the line is cut before an answer's head, which is a retry like any other.
    const client = ferry({ maxRetries: 6 })
    const whole = await call(client, vendor)
    const ids: string[] = []
    for (let round = 0; round < 12; round++) {
      line.cutAll('rst')
      await sleep(20)
      rig.vendor.clear()
      answerRightly(rig.vendor, (step) => [delay(5), step])
      const first = line.connections
      const cuts = 1 + Math.floor(Math.random() * 4)
      line.fate = (connection) =>
        connection - first < cuts
          ? { afterDown: Math.floor(Math.random() * 1800), how: Math.random() < 0.5 ? 'fin' : 'rst' }
          : undefined
      const { text, id } = await call(client, vendor)
      expect(text).toBe(whole.text)
      expect(rig.vendor.requests).toHaveLength(1)
      ids.push(id)
    }
    expect(new Set(ids).size).toBe(ids.length)
    await eventually('every call is in the ledger', () => ids.every((id) => ledger().some((entry) => entry.id === id)))
    for (const id of ids) {
      expect(ledger().filter((entry) => entry.id === id)).toMatchObject([{ outcome: 'completed' }])
    }
  })
})

test('leaving the loop ends the vendor’s call within a second', async () => {
  answerRightly(rig.vendor, (step) => [delay(150), step])
  for await (const event of ferry().chat.stream(ask('openai'))) if (event.type === 'text-delta') break
  const left = performance.now()
  expect((await rig.vendor.only.closed).at - left).toBeLessThan(1000)
})

test('an aborted call ends the vendor’s within a second', async () => {
  answerRightly(rig.vendor, (step) => [delay(150), step])
  const abort = new AbortController()
  const call = ferry().chat(ask('openai'), { signal: abort.signal })
  call.catch(() => {})
  await eventually('the vendor is asked', () => rig.vendor.requests.length === 1)
  const left = performance.now()
  abort.abort(new Error('enough'))
  await expect(call).rejects.toThrow('enough')
  expect((await rig.vendor.only.closed).at - left).toBeLessThan(1000)
})

test('switched off, a call sends no key, and a cut is an error that nothing repeats', async () => {
  const client = ferry({ idempotency: false })
  const keys: (string | null)[] = []
  const { text } = await createFerry({
    baseURL: line.origin,
    apiKey: BFF_KEY,
    idempotency: false,
    hooks: { beforeRequest: ({ headers }) => void keys.push(headers.get('idempotency-key')) },
  }).chat(ask('openai'))
  expect([text.length > 0, keys]).toEqual([true, [null]])
  rig.vendor.clear()
  line.cutAll('rst')
  await sleep(20)
  answerRightly(rig.vendor, (step) => [delay(20), step])
  line.fate = () => ({ afterDown: 900, how: 'rst' })
  await expect(streamed(client, 'openai')).rejects.toMatchObject({ code: 'upstream_truncated' })
  expect(rig.vendor.requests).toHaveLength(1)
})
