import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { afterBody, chunk, delay, hang, lastChunk, type Step } from '../../../../test/testkit/scripted-vendor.ts'
import { parseFileConfig } from '../../src/config-file.ts'
import type { CallRecord } from '../../src/ledger/record.ts'
import {
  BFF_KEY,
  errorOf,
  json,
  payloads,
  plainAnswer,
  startTestBff,
  streamAnswer,
  streamEvents,
  streamHead,
  type TestBff,
  textOf,
} from '../support.ts'

const prices = 'prices: { openai/a: { input: 1000, output: 1000 }, second/b: { input: 1000, output: 1000 } }\n'
const alias = (options: string): string =>
  `aliases: { smart: { targets: [openai/a, second/b], ${options} } }\n${prices}`

interface Rig extends TestBff {
  /** The ledger's lines, once there are that many. */
  lines(count: number): Promise<CallRecord[]>
}

/** A BFF whose vendor answers the model `a` and the model `b` by these scripts. */
async function start(
  first: () => readonly Step[],
  second: () => readonly Step[],
  yaml: string,
  env: Record<string, string> = {},
): Promise<Rig> {
  const ledger = join(mkdtempSync(join(tmpdir(), 'ferry-fallback-')), 'ledger.jsonl')
  const script = afterBody((request) => (request.text.includes('"model":"a"') ? first() : second()))
  const bff = await startTestBff(script, { LEDGER_FILE: ledger, MAX_RETRIES: '1', ...env }, yaml)
  const read = (): CallRecord[] => {
    try {
      return readFileSync(ledger, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as CallRecord)
    } catch {
      return []
    }
  }
  return {
    ...bff,
    async lines(count) {
      await eventually(`${count} lines`, () => read().length === count)
      return read().sort((a, b) => (a.kind < b.kind ? -1 : 1))
    },
  }
}

const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 }
const event = (delta: object, finish_reason: string | null = null): Step =>
  chunk(
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'a', choices: [{ index: 0, delta, finish_reason }] })}\n\n`,
  )
const usageEvent = (): Step =>
  chunk(
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'a', choices: [], usage })}\n\n`,
  )
const done = (): Step[] => [usageEvent(), chunk('data: [DONE]\n\n'), lastChunk()]
const refusedStream = (): Step[] => [
  streamHead(),
  event({ role: 'assistant', content: '' }),
  event({ refusal: 'I cannot help with that.' }),
  event({}, 'content_filter'),
  ...done(),
]
const refusedPlain = (): Step[] =>
  json(200, {
    id: 'c',
    object: 'chat.completion',
    created: 1,
    model: 'a',
    choices: [
      { index: 0, message: { role: 'assistant', content: null, refusal: 'No.' }, finish_reason: 'content_filter' },
    ],
    usage,
  })
const outage = (): Step[] => json(500, { error: { message: 'down', type: 'server_error', code: null, param: null } })

const SLOW = 'fallbackOn: [slow_first_token], firstTokenMs: 150'
const REFUSAL = 'fallbackOn: [refusal]'

describe('a slow first token', () => {
  it('is given up for the next target, cancelled at the vendor, and has its own line', async () => {
    const slow = () => [streamHead(), event({ role: 'assistant', content: '' }), hang()]
    const { chat, vendor, lines } = await start(slow, streamAnswer, alias(SLOW))
    const response = await chat({ model: 'smart', stream: true })
    const text = await response.text()
    expect(response.headers.get('x-ferry-vendor')).toBe('second')
    expect(response.headers.get('x-ferry-attempts')).toBe('2')
    expect(payloads(text).at(-1)).toBe('[DONE]')
    expect(text.match(/"role":"assistant"/g)).toHaveLength(1)
    await vendor.requests[0]?.closed
    const [attempt, call] = await lines(2)
    expect(attempt).toMatchObject({
      kind: 'attempt',
      id: call?.id,
      vendor: 'openai',
      model: 'a',
      outcome: 'upstream_timeout',
      estimated: true,
    })
    expect(attempt?.promptTokens).toBeGreaterThan(0)
    expect(attempt?.costNanos).toBe((attempt?.promptTokens ?? 0) * 1_000_000)
    expect(call).toMatchObject({ kind: 'call', vendor: 'second', model: 'b', outcome: 'completed', attempts: 2 })
  })

  it('is one without any answer too, and heartbeats to the caller are no first token', async () => {
    const { chat } = await start(
      () => [hang()],
      streamAnswer,
      alias('fallbackOn: [slow_first_token], firstTokenMs: 400'),
      {
        STREAM_HEARTBEAT_MS: '100',
      },
    )
    const text = await (await chat({ model: 'smart', stream: true })).text()
    expect(text.startsWith(': waiting\n\n: waiting')).toBe(true)
    expect(JSON.parse(payloads(text)[0] ?? '')).toMatchObject({ ferry: { 'x-ferry-vendor': 'second' } })
    expect(payloads(text).at(-1)).toBe('[DONE]')
  })

  it('that is in time is waited for to its end', async () => {
    const inTime = () =>
      [streamHead(), streamEvents()[0], streamEvents()[1], delay(400), ...streamEvents().slice(2), lastChunk()].filter(
        (step) => step !== undefined,
      )
    const { chat, vendor } = await start(inTime, streamAnswer, alias(SLOW))
    const response = await chat({ model: 'smart', stream: true })
    expect(payloads(await response.text()).at(-1)).toBe('[DONE]')
    expect(response.headers.get('x-ferry-vendor')).toBe('openai')
    expect(vendor.requests).toHaveLength(1)
  })

  it('of the last target is waited for', async () => {
    const late = () => [streamHead(), delay(400), ...streamEvents(), lastChunk()]
    const { chat } = await start(() => [hang()], late, alias(SLOW))
    const response = await chat({ model: 'smart', stream: true })
    expect(payloads(await response.text()).at(-1)).toBe('[DONE]')
  })

  it.each([
    ['an alias that does not ask for it', 'aliases: { smart: [openai/a, second/b] }\n', 'smart'],
    ['a model that is no alias', alias(SLOW), 'openai/a'],
  ])('of %s is never repeated: it may be billed', async (_, yaml, model) => {
    const { chat, vendor } = await start(() => [streamHead(), hang()], streamAnswer, yaml, {
      REQUEST_TIMEOUT_MS: '500',
    })
    const response = await chat({ model, stream: true })
    expect(await errorOf(response)).toMatchObject({ code: 'upstream_timeout' })
    expect(vendor.requests).toHaveLength(1)
  })

  it('and a fallback that fails leave one line each, the request counted', async () => {
    const { chat, lines } = await start(() => [hang()], outage, alias(SLOW), { MAX_RETRIES: '1' })
    const response = await chat({ model: 'smart', stream: true })
    expect(response.status).toBe(502)
    expect(response.headers.get('x-should-retry')).toBe('false')
    const [attempt, call] = await lines(2)
    expect(attempt).toMatchObject({ vendor: 'openai', outcome: 'upstream_timeout' })
    expect(call).toMatchObject({
      vendor: 'second',
      outcome: 'vendor_error',
      promptTokens: 0,
      costNanos: 0,
      attempts: 2,
    })
  })
})

describe('a refusal', () => {
  it.each([
    ['a stream', true, refusedStream, streamAnswer],
    ['a whole answer', false, refusedPlain, plainAnswer],
  ])(
    'in %s is given up for the next target, and has its own line with the vendor’s count',
    async (_, stream, refused, served) => {
      const { chat, origin, lines } = await start(refused, served, alias(REFUSAL))
      const response = await chat({ model: 'smart', stream })
      const text = await response.text()
      expect(response.headers.get('x-ferry-vendor')).toBe('second')
      expect(text).not.toContain('I cannot help')
      const [attempt, call] = await lines(2)
      expect(attempt).toMatchObject({
        kind: 'attempt',
        vendor: 'openai',
        outcome: 'content_policy_violation',
        promptTokens: 7,
        completionTokens: 3,
        costNanos: 10_000_000,
        estimated: false,
      })
      expect(call).toMatchObject({ vendor: 'second', outcome: 'completed', estimated: false })
      const usage = await fetch(`${origin}/v1/usage?by=model`, { headers: { authorization: `Bearer ${BFF_KEY}` } })
      const { data } = (await usage.json()) as { data: { vendor: string; calls: number; prompt_tokens: number }[] }
      expect(data.find(({ vendor }) => vendor === 'openai')).toMatchObject({ calls: 0, prompt_tokens: 7 })
      expect(data.find(({ vendor }) => vendor === 'second')).toMatchObject({ calls: 1 })
    },
  )

  it('that is the vendor’s error goes on to the next target as well, and costs nothing', async () => {
    const error = {
      error: { message: 'no', type: 'invalid_request_error', code: 'content_policy_violation', param: null },
    }
    const { chat, lines } = await start(() => json(400, error), plainAnswer, alias(REFUSAL))
    const response = await chat({ model: 'smart' })
    expect(response.headers.get('x-ferry-vendor')).toBe('second')
    expect(await lines(1)).toMatchObject([{ kind: 'call', vendor: 'second' }])
  })

  it('is the answer after all when every other target fails, and is billed once', async () => {
    const { chat, lines } = await start(refusedStream, outage, alias(REFUSAL), { MAX_RETRIES: '1' })
    const response = await chat({ model: 'smart', stream: true })
    const text = await response.text()
    expect(response.headers.get('x-ferry-vendor')).toBe('openai')
    expect(text).toContain('I cannot help with that.')
    expect(payloads(text).at(-1)).toBe('[DONE]')
    expect(await lines(1)).toMatchObject([
      { kind: 'call', vendor: 'openai', outcome: 'completed', promptTokens: 7, completionTokens: 3, attempts: 2 },
    ])
  })

  it('behind forwarded text stays as it is', async () => {
    const text = () => [
      streamHead(),
      event({ role: 'assistant', content: 'Well' }),
      event({}, 'content_filter'),
      ...done(),
    ]
    const { chat, vendor } = await start(text, streamAnswer, alias(REFUSAL))
    const answer = await (await chat({ model: 'smart', stream: true })).text()
    expect(textOf(answer)).toBe('Well')
    expect(vendor.requests).toHaveLength(1)
  })

  it('behind thoughts alone is given up: they were held back', async () => {
    const thoughts = () => [
      streamHead(),
      event({ reasoning_content: 'Hm, secret' }),
      event({}, 'content_filter'),
      ...done(),
    ]
    const { chat } = await start(thoughts, streamAnswer, alias(REFUSAL))
    const response = await chat({ model: 'smart', stream: true })
    expect(response.headers.get('x-ferry-vendor')).toBe('second')
    expect(await response.text()).not.toContain('Hm, secret')
  })

  it('without the opt-in is the answer', async () => {
    const { chat, vendor } = await start(refusedPlain, plainAnswer, 'aliases: { smart: [openai/a, second/b] }\n')
    const body = (await (await chat({ model: 'smart' })).json()) as { choices: { finish_reason: string }[] }
    expect(body.choices[0]?.finish_reason).toBe('content_filter')
    expect(vendor.requests).toHaveLength(1)
  })

  it('that breaks off while it is held back is an error, and nothing is repeated', async () => {
    const cut = () => [streamHead(), event({ refusal: 'I' }), delay(20), lastChunk()]
    const { chat, vendor } = await start(cut, streamAnswer, alias(REFUSAL))
    expect(await errorOf(await chat({ model: 'smart', stream: true }))).toMatchObject({ code: 'upstream_truncated' })
    expect(vendor.requests).toHaveLength(1)
  })
})

describe('an open breaker', () => {
  it('passes its target over at once', async () => {
    const { chat, vendor } = await start(outage, plainAnswer, alias(REFUSAL))
    for (let i = 0; i < 6; i++) expect((await chat({ model: 'smart' })).status).toBe(200)
    const before = vendor.requests.length
    const response = await chat({ model: 'smart' })
    expect(response.headers.get('x-ferry-vendor')).toBe('second')
    expect(vendor.requests.length - before).toBe(1)
    expect(vendor.requests.at(-1)?.text).toContain('"model":"b"')
  })
})

describe('what an alias falls back on', () => {
  it.each([
    ['fallbackOn: [mood]', /aliases\.smart\.fallbackOn\.0/],
    ['fallbackOn: [refusal], firstTokenMs: 100', /aliases\.smart\.firstTokenMs has no effect: add slow_first_token/],
    ['fallbackOn: [slow_first_token], firstTokenMs: 0', /aliases\.smart\.firstTokenMs/],
  ])('is checked at start: %s', (options, message) => {
    expect(() => parseFileConfig(`aliases: { smart: { targets: [openai/a, gemini/b], ${options} } }`, 'f', {})).toThrow(
      message,
    )
  })

  it('has no effect with one target, and says so', () => {
    const text = 'aliases: { smart: { targets: [openai/a], fallbackOn: [refusal] } }'
    expect(() => parseFileConfig(text, 'f', {})).toThrow(
      /aliases\.smart\.fallbackOn has no effect: add a second target/,
    )
  })
})
