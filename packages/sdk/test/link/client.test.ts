import { createLink } from '@llm-ferry/sdk/link'
import { describe, expect, test, vi } from 'vitest'
import { ByteQueue } from '../../src/link/byte-queue.ts'
import { encodeBody } from '../../src/link/encode-body.ts'
import { newExchangeId } from '../../src/link/exchange-id.ts'
import { RoundTrips } from '../../src/link/round-trips.ts'
import { uploadMs } from '../../src/link/silence.ts'
import { EXCHANGE_ID } from '../../src/link/wire/index.ts'

const source = () => ({ pause: vi.fn(), resume: vi.fn(), cancel: vi.fn() })

describe('a queue of bytes', () => {
  test('gives what has come, in order and at once, then its end', async () => {
    const queue = new ByteQueue(source())
    queue.push(Buffer.from('a'))
    queue.push(Buffer.from('b'))
    const got: string[] = []
    for await (const piece of queue) {
      got.push(String(piece))
      if (got.length === 2) queue.end()
      else queue.push(Buffer.from('c'))
    }
    expect(got).toEqual(['ab', 'c'])
  })

  test('gives what it has before its error', async () => {
    const queue = new ByteQueue(source())
    queue.push(Buffer.from('a'))
    queue.end(new Error('broke off'))
    expect(await queue.next()).toMatchObject({ done: false })
    await expect(queue.next()).rejects.toThrow('broke off')
    expect(await queue.next()).toMatchObject({ done: true })
  })

  test('pauses its source while nobody reads, and wakes it again', async () => {
    const from = source()
    const queue = new ByteQueue(from)
    for (let i = 0; i < 5; i++) queue.push(Buffer.alloc(65_536))
    expect(from.pause).toHaveBeenCalledTimes(1)
    expect((await queue.next()).value).toHaveLength(5 * 65_536)
    expect(from.resume).toHaveBeenCalledTimes(1)
  })

  test('tells its source when the reader goes early, and only then', async () => {
    const early = source()
    await new ByteQueue(early).return()
    expect(early.cancel).toHaveBeenCalledTimes(1)
    const late = source()
    const queue = new ByteQueue(late)
    queue.end()
    await queue.return()
    expect(late.cancel).not.toHaveBeenCalled()
  })
})

describe('patience', () => {
  test('follows the measured round trips between its bounds', () => {
    const trips = new RoundTrips({ leastMs: 1000, mostMs: 5000 })
    expect(trips.slackMs).toBe(5000)
    for (let i = 0; i < 50; i++) trips.add(40)
    expect(trips.slackMs).toBe(1000)
    for (let i = 0; i < 50; i++) trips.add(i % 2 ? 300 : 900)
    expect(trips.slackMs).toBeGreaterThan(1500)
    for (let i = 0; i < 50; i++) trips.add(60_000)
    expect(trips.slackMs).toBe(5000)
  })

  test('with an upload doubles with each attempt in vain', () => {
    expect(uploadMs(64_000, 0)).toBe(1000)
    expect(uploadMs(64_000, 2)).toBe(4000)
    expect(uploadMs(64_000, 50)).toBe(32_000)
  })
})

describe('a body', () => {
  test('is encoded where that makes it smaller', async () => {
    expect(await encodeBody(Buffer.from('{}'))).toMatchObject({ encoding: undefined })
    const text = Buffer.from('渡轮过江 '.repeat(20_000))
    const { bytes, encoding } = await encodeBody(text)
    expect(encoding).toBe('zstd')
    expect(bytes.length).toBeLessThan(text.length / 50)
    const noise = crypto.getRandomValues(Buffer.alloc(5000))
    expect(await encodeBody(noise)).toEqual({ bytes: noise, encoding: undefined })
  })
})

test('ids are of the form that relays take, and never the same', () => {
  expect(newExchangeId()).toMatch(EXCHANGE_ID)
  expect(newExchangeId('conv-1')).toMatch(EXCHANGE_ID)
  expect(newExchangeId('a')).not.toBe(newExchangeId('a'))
})

test('a link without relays, or with what is no URL, is refused', () => {
  expect(() => createLink({ relays: [] })).toThrow(TypeError)
  expect(() => createLink({ relays: ['relay'] })).toThrow(TypeError)
})

test('a request that cannot be written is an answer, and nothing was reached', async () => {
  const link = createLink({ relays: ['http://127.0.0.1:9'], connectMs: 200 })
  const answer = await link.request({
    path: '/proxy/openai/x',
    method: 'POST',
    headers: ['bad name', 'x\n'],
    body: Buffer.alloc(0),
  })
  expect(answer.status).toBeGreaterThanOrEqual(400)
  expect(answer.headers).toContain('x-ferry-error')
  await link.close()
})
