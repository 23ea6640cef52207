import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Field } from './http-reader.ts'
import { chunk, delay, head, lastChunk, raw, type Step } from './scripted-vendor.ts'
import { RELAY_TOKEN, VENDOR_KEYS, type Vendor } from './services.ts'

/** A recorded stream of a vendor, such as `openai.text`. */
const fixture = (name: string): Buffer =>
  readFileSync(fileURLToPath(new URL(`./fixtures/${name}.sse`, import.meta.url)))

/** A recorded stream as its events, each with its closing empty line. */
const events = (name: string): readonly Buffer[] =>
  (
    fixture(name)
      .toString('utf8')
      .match(/[\s\S]+?\r?\n\r?\n/g) ?? []
  ).map((event) => Buffer.from(event))

/** How one vendor is called and how it answers. */
export interface Dialect {
  readonly vendor: Vendor
  /** Under `/proxy/{vendor}` and at the vendor alike. */
  readonly path: string
  readonly streamPath: string
  readonly body: string
  readonly streamBody: string
  /** The caller's credential where this vendor's SDK puts it. */
  readonly credential: Field
  /** The same header as the vendor must see it. */
  readonly vendorCredential: Field
  readonly answer: string
  readonly stream: readonly Buffer[]
  /** Status of an error body in this vendor's shape, or undefined when it is not in that shape. */
  readonly errorMessage: (body: string) => string | undefined
}

const messageOf = (value: unknown): string | undefined =>
  typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string'
    ? value.message
    : undefined

const errorOf = (body: string): Readonly<Record<string, unknown>> => {
  const value: unknown = JSON.parse(body)
  if (typeof value !== 'object' || value === null || !('error' in value)) return {}
  return typeof value.error === 'object' && value.error !== null ? { ...value.error } : {}
}

const messages = [{ role: 'user', content: 'Say hello' }]
const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }

export const DIALECTS: Readonly<Record<Vendor, Dialect>> = {
  openai: {
    vendor: 'openai',
    path: '/v1/chat/completions',
    streamPath: '/v1/chat/completions',
    body: JSON.stringify({ model: 'gpt-x', messages }),
    streamBody: JSON.stringify({ model: 'gpt-x', messages, stream: true }),
    credential: ['authorization', `Bearer ${RELAY_TOKEN}`],
    vendorCredential: ['authorization', `Bearer ${VENDOR_KEYS.openai}`],
    answer: JSON.stringify({
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1764000000,
      model: 'gpt-x',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hello there' }, finish_reason: 'stop' }],
      usage,
    }),
    stream: events('openai.text'),
    errorMessage: (body) => {
      const error = errorOf(body)
      return 'type' in error && 'code' in error ? messageOf(error) : undefined
    },
  },
  anthropic: {
    vendor: 'anthropic',
    path: '/v1/messages',
    streamPath: '/v1/messages',
    body: JSON.stringify({ model: 'claude-x', max_tokens: 64, messages }),
    streamBody: JSON.stringify({ model: 'claude-x', max_tokens: 64, messages, stream: true }),
    credential: ['x-api-key', RELAY_TOKEN],
    vendorCredential: ['x-api-key', VENDOR_KEYS.anthropic],
    answer: JSON.stringify({
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'claude-x',
      content: [{ type: 'text', text: 'Hello there' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 3, output_tokens: 2 },
    }),
    stream: events('anthropic.text'),
    errorMessage: (body) => {
      const value: unknown = JSON.parse(body)
      const isError = typeof value === 'object' && value !== null && 'type' in value && value.type === 'error'
      return isError && typeof errorOf(body).type === 'string' ? messageOf(errorOf(body)) : undefined
    },
  },
  gemini: {
    vendor: 'gemini',
    path: '/v1beta/models/gemini-x:generateContent',
    streamPath: '/v1beta/models/gemini-x:streamGenerateContent?alt=sse',
    body: JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'Say hello' }] }] }),
    streamBody: JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'Say hello' }] }] }),
    credential: ['x-goog-api-key', RELAY_TOKEN],
    vendorCredential: ['x-goog-api-key', VENDOR_KEYS.gemini],
    answer: JSON.stringify({
      candidates: [{ content: { role: 'model', parts: [{ text: 'Hello there' }] }, finishReason: 'STOP', index: 0 }],
      usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 },
      modelVersion: 'gemini-x',
    }),
    stream: events('gemini.text'),
    errorMessage: (body) => {
      const error = errorOf(body)
      return typeof error.code === 'number' && typeof error.status === 'string' ? messageOf(error) : undefined
    },
  },
}

/** A JSON answer with its length. */
export const json = (body: string, status = 200, headers: readonly Field[] = []): readonly Step[] => [
  head(status, [['content-type', 'application/json'], ['content-length', String(Buffer.byteLength(body))], ...headers]),
  raw(body),
]

/** Head of a chunked event stream. */
export const sseHead = (headers: readonly Field[] = []): Step =>
  head(200, [['content-type', 'text/event-stream; charset=utf-8'], ['transfer-encoding', 'chunked'], ...headers], 'OK')

/** A whole event stream, one chunk an event. */
export const sse = (stream: readonly (Buffer | string)[], headers: readonly Field[] = []): readonly Step[] => [
  sseHead(headers),
  ...stream.map((event) => chunk(event)),
  lastChunk(),
]

/** What the dialect's vendor answers to a right request, plain or streamed as it was asked. */
export const rightAnswer = ({ answer, stream }: Dialect, streamed: boolean): readonly Step[] =>
  streamed ? sse(stream) : json(answer)

/** The dialect's stream, an event after the other with a pause between them. */
export const slowAnswer = ({ stream }: Dialect, everyMs: number): readonly Step[] => [
  sseHead(),
  ...stream.flatMap((event) => [chunk(event), delay(everyMs)]),
  lastChunk(),
]

/** A request's bytes as a raw caller writes them. */
export function requestBytes({
  method = 'POST',
  target,
  headers = [],
  body = '',
  version = 'HTTP/1.1',
}: {
  readonly method?: string
  readonly target: string
  readonly headers?: readonly Field[]
  readonly body?: string | Buffer
  readonly version?: string
}): Buffer {
  const has = (name: string): boolean => headers.some(([key]) => key.toLowerCase() === name)
  const lines: Field[] = [...(has('host') ? [] : [['host', 'relay.test'] as const]), ...headers]
  const bytes = Buffer.from(body)
  if (!has('content-length') && !has('transfer-encoding') && (bytes.length > 0 || method === 'POST')) {
    lines.push(['content-length', String(bytes.length)])
  }
  const text = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return Buffer.concat([Buffer.from(`${method} ${target} ${version}\r\n${text}\r\n`, 'latin1'), bytes])
}

/** A right chat request to a relay in this dialect. */
export function chatBytes(
  dialect: Dialect,
  { streamed = false, headers = [] as readonly Field[], version = 'HTTP/1.1' } = {},
): Buffer {
  return requestBytes({
    target: `/proxy/${dialect.vendor}${streamed ? dialect.streamPath : dialect.path}`,
    headers: [dialect.credential, ['content-type', 'application/json'], ...headers],
    body: streamed ? dialect.streamBody : dialect.body,
    version,
  })
}
