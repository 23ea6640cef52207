import { hash } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { constants } from 'node:zlib'
import { encodeOptions, LINK_HEADERS, zstd } from '@llm-ferry/sdk/link/wire'
import { beforeEach, describe, expect, test } from 'vitest'
import { RELAY_TOKEN } from '../../../../test/testkit/services.ts'
import { rig } from '../rig.ts'
import { answer, dialect, newId, readFrames, refusalOf } from './support.ts'

const OTHER_TOKEN = 'other-token-0123456789abcdef0123456789'
const MAX_BODY_BYTES = 2_000_000
const env = {
  EXCHANGE_MARKERS_DIR: mkdtempSync(join(tmpdir(), 'ferry-markers-')),
  EXCHANGE_GRACE_MS: '200',
  MAX_BODY_BYTES: String(MAX_BODY_BYTES),
  RELAY_TOKENS: `app:${RELAY_TOKEN},other:${OTHER_TOKEN}`,
}

const chat = (said: readonly string[]): Buffer =>
  Buffer.from(JSON.stringify({ model: 'gpt-x', messages: said.map((content) => ({ role: 'user', content })) }))
const SAID = Array.from({ length: 400 }, (_, i) => `${(i * i * 7919).toString(36)} 渡轮 ${i}`).join(' ')
const FIRST = chat([SAID])
const SECOND = chat([SAID, 'and then?', 'what else?'])
const digestOf = (body: Buffer): string => hash('sha256', body)

interface Send {
  readonly body: Buffer
  /** Digest of the body as it should be, where one is sent. */
  readonly digest?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  readonly token?: string
  readonly scope?: string
}

const send = (origin: string, { body, digest, headers, token = RELAY_TOKEN, scope = 'caller' }: Send) =>
  fetch(`${origin}/proxy/openai${dialect.path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      [LINK_HEADERS.exchange]: newId(),
      [LINK_HEADERS.frames]: '1',
      [LINK_HEADERS.keep]: '1',
      [LINK_HEADERS.scope]: scope,
      ...(digest === undefined ? {} : { [LINK_HEADERS.digest]: digest }),
      ...headers,
    },
    body: new Uint8Array(body),
  })

const encode = (body: Buffer, base: Buffer, params = {}): Buffer => {
  const options = encodeOptions(body.length, base)
  return zstd?.zstdCompressSync(body, { ...options, params: { ...options.params, ...params } }) ?? Buffer.alloc(0)
}
const builtOn = (base: Buffer) => ({
  [LINK_HEADERS.encoding]: 'zstd-dictionary',
  [LINK_HEADERS.dictionary]: digestOf(base),
})
/** The second turn as its difference from the first. */
const difference = (): Send => ({ body: encode(SECOND, FIRST), digest: digestOf(SECOND), headers: builtOn(FIRST) })

const meter = async (page: Promise<string>, name: string): Promise<number> =>
  Number(
    (await page)
      .split('\n')
      .find((line) => line.startsWith(`${name} `))
      ?.split(' ')[1] ?? 0,
  )

describe('the next turn of a conversation', () => {
  const relay = rig(env)
  beforeEach(() => answer(relay.vendor))

  const first = async (more: Partial<Send> = {}): Promise<string | null> => {
    const response = await send(relay.origin, { body: FIRST, ...more })
    await readFrames(response)
    return response.headers.get(LINK_HEADERS.keep)
  }

  test('crosses as its difference, and reaches the vendor whole', async () => {
    expect(await first()).toBe('1')
    const asked = difference()
    expect(asked.body.length).toBeLessThan(0.05 * SECOND.length)
    const response = await send(relay.origin, asked)
    expect(response.headers.get(LINK_HEADERS.keep)).toBe('1')
    await readFrames(response)
    expect(relay.vendor.requests.map(({ body }) => body.equals(FIRST) || body.equals(SECOND))).toEqual([true, true])
    expect(relay.vendor.requests[1]?.text).not.toMatch(/x-ferry/i)
    expect(await meter(relay.metrics(), 'relay_link_differences_total{result="hit"}')).toBe(1)
    expect(await meter(relay.metrics(), 'relay_link_kept_body_bytes')).toBe(FIRST.length + SECOND.length)
    expect(await meter(relay.metrics(), 'relay_buffered_body_bytes')).toBe(0)
  })

  test.each<[string, Partial<Send>]>([
    ['another scope', { scope: 'somebody else' }],
    ['no scope', { scope: '' }],
    ['another token', { token: OTHER_TOKEN }],
    ['a base that never was', { headers: builtOn(SECOND) }],
  ])('is asked for whole when it comes with %s, and nothing is claimed', async (_, more) => {
    await first()
    const refusal = await refusalOf(await send(relay.origin, { ...difference(), ...more }))
    expect(refusal).toEqual({ status: 404, code: 'not_found', reached: 'no' })
    expect(relay.vendor.requests).toHaveLength(1)
    expect(await meter(relay.metrics(), 'relay_link_differences_total{result="miss"}')).toBe(1)
    expect(await meter(relay.metrics(), 'relay_buffered_body_bytes')).toBe(0)
  })

  test('builds on nothing that was sent without a wish to keep it', async () => {
    expect(await first({ headers: { [LINK_HEADERS.keep]: '0' } })).toBeNull()
    expect(await refusalOf(await send(relay.origin, difference()))).toMatchObject({ code: 'not_found', reached: 'no' })
  })

  const bomb = (): Buffer => encode(Buffer.alloc(200_000_000), FIRST)
  const wide = (): Buffer =>
    encode(Buffer.alloc(50_000_000, SAID), FIRST, {
      [constants.ZSTD_c_windowLog]: 27,
      [constants.ZSTD_c_contentSizeFlag]: 0,
    })
  test.each<[string, () => Partial<Send>, number, string]>([
    ['a lying digest', () => ({ digest: digestOf(FIRST) }), 400, 'invalid_request'],
    ['no digest', () => ({ digest: undefined }), 400, 'invalid_request'],
    [
      'a base that is no digest',
      () => ({ headers: { ...builtOn(FIRST), [LINK_HEADERS.dictionary]: '../x' } }),
      400,
      'invalid_request',
    ],
    ['no base', () => ({ headers: { [LINK_HEADERS.encoding]: 'zstd-dictionary' } }), 400, 'invalid_request'],
    [
      'a base and another encoding',
      () => ({ headers: { ...builtOn(FIRST), [LINK_HEADERS.encoding]: 'zstd' } }),
      400,
      'invalid_request',
    ],
    ['bytes built on another base', () => ({ body: encode(SECOND, SECOND) }), 400, 'invalid_request'],
    ['a bomb', () => ({ body: bomb() }), 413, 'request_too_large'],
    ['a window beyond the limit', () => ({ body: wide() }), 400, 'invalid_request'],
    ['half of its bytes', () => ({ body: difference().body.subarray(0, 20) }), 400, 'invalid_request'],
  ])('is refused with %s, in bounded memory', async (_, more, status, code) => {
    await first()
    const asked = { ...difference(), ...more() }
    const before = process.memoryUsage().rss
    expect(await refusalOf(await send(relay.origin, asked))).toEqual({ status, code, reached: 'no' })
    expect(relay.vendor.requests).toHaveLength(1)
    expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000)
    expect(await meter(relay.metrics(), 'relay_buffered_body_bytes')).toBe(0)
  })
})

describe('a relay', () => {
  const MOST = 200_000
  const relay = rig({ ...env, LINK_BODIES_MAX_BYTES: String(MOST) })
  beforeEach(() => answer(relay.vendor))

  test('keeps bodies in bounds, of one caller and of all', async () => {
    for (let i = 0; i < 40; i++) {
      const body = chat([`${i} ${SAID}`])
      await readFrames(await send(relay.origin, { body, scope: `caller ${i % 20}` }))
      expect(await meter(relay.metrics(), 'relay_link_kept_body_bytes')).toBeLessThanOrEqual(MOST)
    }
    expect(await meter(relay.metrics(), 'relay_link_kept_body_bytes')).toBeGreaterThan(MOST / 2)
    const large = await send(relay.origin, { body: chat([SAID.repeat(6)]) })
    expect(large.headers.get(LINK_HEADERS.keep)).toBeNull()
    await readFrames(large)
  })
})

describe('a relay whose LINK_COMPRESSION leaves differences out', () => {
  const relay = rig({ ...env, LINK_COMPRESSION: 'requests,answers' })
  beforeEach(() => answer(relay.vendor))

  test('keeps nothing', async () => {
    const response = await send(relay.origin, { body: FIRST })
    expect(response.headers.get(LINK_HEADERS.keep)).toBeNull()
    await readFrames(response)
    expect(await refusalOf(await send(relay.origin, difference()))).toMatchObject({ code: 'not_found', reached: 'no' })
    expect(await meter(relay.metrics(), 'relay_link_kept_body_bytes')).toBe(0)
  })
})
