import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import { beforeEach, describe, expect, test } from 'vitest'
import { RELAY_TOKEN } from '../../../../test/testkit/services.ts'
import { rig } from '../rig.ts'
import { answer, dialect, newId, readFrames, refusalOf } from './support.ts'

const MAX_BODY_BYTES = 2_000_000
const relay = rig({
  EXCHANGE_MARKERS_DIR: mkdtempSync(join(tmpdir(), 'ferry-markers-')),
  EXCHANGE_GRACE_MS: '200',
  MAX_BODY_BYTES: String(MAX_BODY_BYTES),
  MAX_BUFFERED_BYTES: String(2 * MAX_BODY_BYTES),
})
beforeEach(() => answer(relay.vendor))

const send = (encoding: string, body: Buffer) =>
  fetch(`${relay.origin}/proxy/openai${dialect.path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${RELAY_TOKEN}`,
      'content-type': 'application/json',
      'x-ferry-exchange': newId(),
      'x-ferry-frames': '1',
      'x-ferry-encoding': encoding,
    },
    body: new Uint8Array(body),
  })

/** A chat of about this many bytes. */
const chat = (bytes: number): string =>
  JSON.stringify({
    model: 'gpt-x',
    messages: [{ role: 'user', content: Array.from({ length: bytes / 8 }, (_, i) => (i * i).toString(36)).join(' ') }],
  })

const held = async (): Promise<string> =>
  (await relay.metrics()).split('\n').find((line) => line.startsWith('relay_buffered_body_bytes ')) ?? ''

describe('an encoded body', () => {
  test.each([
    ['zstd', zstdCompressSync, 2000],
    ['gzip', gzipSync, 2000],
    ['zstd', zstdCompressSync, 800_000],
    ['gzip', gzipSync, 800_000],
  ] as const)('in %s reaches the vendor as it was (%#)', async (encoding, encode, size) => {
    const body = chat(size)
    await readFrames(await send(encoding, encode(Buffer.from(body))))
    expect(relay.vendor.only.body.toString()).toBe(body)
    expect(relay.vendor.only.header('content-length')).toBe(String(Buffer.byteLength(body)))
    expect(relay.vendor.only.text).not.toMatch(/x-ferry/i)
    expect(await held()).toBe('relay_buffered_body_bytes 0')
  })

  test.each([
    ['a bomb in zstd', 'zstd', () => zstdCompressSync(Buffer.alloc(200_000_000)), 413, 'request_too_large'],
    ['a bomb in gzip', 'gzip', () => gzipSync(Buffer.alloc(50_000_000)), 413, 'request_too_large'],
    ['bytes that are no zstd', 'zstd', () => Buffer.from('no zstd at all'), 400, 'invalid_request'],
    ['half of it', 'gzip', () => gzipSync(Buffer.from(chat(5000))).subarray(0, 500), 400, 'invalid_request'],
    [
      'half of it in zstd',
      'zstd',
      () => zstdCompressSync(Buffer.from(chat(5000))).subarray(0, 500),
      400,
      'invalid_request',
    ],
    ['a window beyond the limit', 'zstd', () => wideWindow(), 400, 'invalid_request'],
    ['another encoding', 'br', () => Buffer.from('x'), 415, 'unsupported_media_type'],
  ] as const)('that is %s is refused in bounded memory', async (_, encoding, bytes, status, code) => {
    const before = process.memoryUsage().rss
    const refusal = await refusalOf(await send(encoding, bytes()))
    expect(refusal).toEqual({ status, code, reached: 'no' })
    expect(relay.vendor.requests).toHaveLength(0)
    expect(process.memoryUsage().rss - before).toBeLessThan(400_000_000)
    expect(await held()).toBe('relay_buffered_body_bytes 0')
  })
})

function wideWindow(): Buffer {
  const params = { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_contentSizeFlag]: 0 }
  return zstdCompressSync(Buffer.alloc(200_000_000, chat(1000)), { params })
}
