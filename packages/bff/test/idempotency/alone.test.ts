import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { startRedis } from '../../../../test/testkit/redis.ts'
import { afterBody, chunk, delay, hang, lastChunk, type Step } from '../../../../test/testkit/scripted-vendor.ts'
import { errorOf, plainAnswer, startTestBff, streamEvents, streamHead } from '../support.ts'

const slowStream = (ms: number): Step[] => [
  streamHead(),
  ...streamEvents().flatMap((event) => [delay(ms), event]),
  lastChunk(),
]
const withKey = (key: string, more: RequestInit = {}): RequestInit => ({ ...more, headers: { 'idempotency-key': key } })

describe('a vendor that is called directly, and no Redis', () => {
  test('a repeat attaches, and gets the stored answer later', async () => {
    const { chat, vendor } = await startTestBff(afterBody(() => slowStream(20)))
    const [first, second] = await Promise.all([1, 2].map(() => chat({ stream: true }, withKey('k'))))
    const texts = await Promise.all([first?.text(), second?.text()])
    expect(texts[0]).toMatch(/\[DONE\]/)
    expect(texts[1]).toBe(texts[0])
    await sleep(30)
    const later = await chat({ stream: true }, withKey('k'))
    expect(await later.text()).toBe(texts[0])
    expect(later.headers.get('x-ferry-idempotency')).toBe('stored')
    expect(vendor.requests).toHaveLength(1)
  })

  test('who leaves with DELETE ends it within a second; who loses his line does not', async () => {
    const { chat, vendor, origin } = await startTestBff(afterBody(() => slowStream(300)))
    const abort = new AbortController()
    const response = await chat({ stream: true }, withKey('gone', { signal: abort.signal }))
    abort.abort()
    await sleep(300)
    expect(vendor.only.closing).toBeUndefined()
    const at = performance.now()
    const left = await fetch(`${origin}/v1/calls/gone`, {
      method: 'DELETE',
      headers: { authorization: 'Bearer bff-key-of-app-0123456789' },
    })
    expect(left.status).toBe(204)
    expect((await vendor.only.closed).at - at).toBeLessThan(1000)
    expect(response.status).toBe(200)
  })

  test('a reader that does not read slows the vendor down, and nothing is lost', async () => {
    const long = chunk(
      `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { content: 'x'.repeat(100_000) }, finish_reason: null }] })}\n\n`,
    )
    const { chat } = await startTestBff(
      afterBody(() => [streamHead(), ...Array.from({ length: 40 }, () => long), ...streamEvents(), lastChunk()]),
    )
    const response = await chat({ stream: true }, withKey('slow'))
    await sleep(300)
    const text = await response.text()
    expect(text).toMatch(/\[DONE\]\n\n$/)
    expect(text.match(/x{100000}/g)).toHaveLength(40)
  })
})

test('while Redis is away calls are made all the same, and say so', async () => {
  const redis = await startRedis()
  const { chat, vendor } = await startTestBff(
    afterBody(() => plainAnswer()),
    { REDIS_URL: redis.url },
  )
  await redis.halt('SIGKILL')
  await eventually('the BFF knows', async () => {
    const answer = await chat({}, withKey(crypto.randomUUID()))
    return answer.headers.get('x-ferry-idempotency') === 'new, this process only'
  })
  vendor.clear()
  const answer = await chat({}, withKey('outage'))
  expect([answer.status, vendor.requests.length]).toEqual([200, 1])
  await redis.stop()
})

test('who leaves while Redis is waited for is waited for no longer than others', async () => {
  const redis = await startRedis()
  const { chat, vendor } = await startTestBff(
    afterBody(() => [hang()]),
    { REDIS_URL: redis.url, REDIS_TIMEOUT_MS: '100', DETACH_GRACE_MS: '200' },
  )
  redis.freeze()
  try {
    const left = chat({ stream: true }, withKey('early', { signal: AbortSignal.timeout(30) }))
    await expect(left).rejects.toThrow()
    // Longer than Redis is waited for: by then the vendor has been called for nobody, or not at all.
    await sleep(1000)
    await eventually('nothing is open at the vendor', () =>
      vendor.requests.every(({ closing }) => closing !== undefined),
    )
  } finally {
    await redis.stop()
  }
})

test('a page may send the key and the DELETE', async () => {
  const { origin } = await startTestBff(
    afterBody(() => plainAnswer()),
    { CORS_ORIGINS: 'https://app.example.cn' },
  )
  const preflight = await fetch(`${origin}/v1/calls/k`, {
    method: 'OPTIONS',
    headers: {
      origin: 'https://app.example.cn',
      'access-control-request-method': 'DELETE',
      'access-control-request-headers': 'authorization,idempotency-key',
    },
  })
  expect(preflight.headers.get('access-control-allow-methods')).toContain('DELETE')
  expect(preflight.headers.get('access-control-allow-headers')).toContain('idempotency-key')
})

test('an upload with a key is held, so it is bounded like a body', async () => {
  const { origin } = await startTestBff(
    afterBody(() => plainAnswer()),
    { MAX_BODY_BYTES: '1000' },
  )
  const form = new FormData()
  form.set('model', 'openai/whisper-1')
  form.set('file', new Blob(['x'.repeat(2000)]), 'a.wav')
  const refused = await fetch(`${origin}/v1/audio/transcriptions`, {
    method: 'POST',
    body: form,
    headers: { authorization: 'Bearer bff-key-of-app-0123456789', 'idempotency-key': 'k' },
  })
  expect((await errorOf(refused)).code).toBe('request_too_large')
})
