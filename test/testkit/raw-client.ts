import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { type Field, readFields } from './http-reader.ts'

/** How a server ended a connection; `open` when it had not yet. */
export type Ending = 'open' | 'fin' | 'reset'

/** One response as a strict reader sees it. */
export interface RawResponse {
  readonly status: number
  readonly reason: string
  readonly headers: readonly Field[]
  readonly body: Buffer
  readonly trailers: readonly Field[]
  readonly framing: 'none' | 'length' | 'chunked' | 'close'
  /** Whether the framing says that the body has wholly arrived; a close-delimited one needs a FIN. */
  readonly complete: boolean
}

/** First value of a header of a response, or undefined. */
export const headerOf = (response: RawResponse, name: string): string | undefined =>
  response.headers.find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1]

/** A caller on a raw socket, which can say anything in any order. */
export class RawClient {
  bytes: Buffer = Buffer.alloc(0)
  ending: Ending = 'open'
  /** `performance.now()` at the ending. */
  endedAt = 0
  readonly socket: Socket
  readonly #method: string
  #wake: () => void = () => {}

  /** @param method what is asked with, since answers to HEAD have no body. */
  static async connect(port: number, { method = 'GET', ca = '', servername = 'localhost' } = {}): Promise<RawClient> {
    const socket = ca
      ? connectTls({ port, host: '127.0.0.1', servername, ca })
      : connectTcp({ port, host: '127.0.0.1', noDelay: true })
    await new Promise<void>((resolve, reject) => {
      socket.once(ca ? 'secureConnect' : 'connect', resolve)
      socket.once('error', reject)
    })
    return new RawClient(socket, method)
  }

  private constructor(socket: Socket, method: string) {
    this.socket = socket
    this.#method = method
    const end = (ending: Ending) => (): void => {
      if (this.ending === 'open') {
        this.ending = ending
        this.endedAt = performance.now()
      }
      this.#wake()
    }
    socket.on('data', (bytes: Buffer) => {
      this.bytes = Buffer.concat([this.bytes, bytes])
      this.#wake()
    })
    socket.on('end', end('fin')).on('error', end('reset')).on('close', end('fin'))
  }

  /** Writes, and waits until the kernel has taken the bytes or the connection is gone. */
  async send(bytes: Buffer | string): Promise<void> {
    await new Promise<void>((resolve) => {
      if (this.socket.destroyed) return resolve()
      const done = (): void => {
        this.socket.off('close', done)
        resolve()
      }
      this.socket.once('close', done)
      this.socket.write(bytes, done)
    })
  }

  /** Waits for `condition`, checked at every arrival and at the end; false after `timeoutMs`. */
  async until(condition: () => boolean, timeoutMs = 5000): Promise<boolean> {
    const deadline = performance.now() + timeoutMs
    while (!condition()) {
      const left = deadline - performance.now()
      if (left <= 0) return false
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    return true
  }

  /** Waits for the server to end the connection, whichever way. */
  async ended(timeoutMs = 5000): Promise<Ending> {
    await this.until(() => this.ending !== 'open', timeoutMs)
    return this.ending
  }

  /** Waits for `count` final responses that are complete, or the end, or the time limit. */
  async answered(count = 1, timeoutMs = 5000): Promise<readonly RawResponse[]> {
    const finals = (): readonly RawResponse[] => this.responses.filter(({ status }) => status >= 200 || status === 101)
    await this.until(
      () => this.ending !== 'open' || finals().filter(({ complete }) => complete).length >= count,
      timeoutMs,
    )
    return finals()
  }

  /** What has arrived, as responses. Interim ones included. */
  get responses(): readonly RawResponse[] {
    return parseResponses(this.bytes, this.ending, this.#method)
  }

  get text(): string {
    return this.bytes.toString('latin1')
  }

  /** Leaves with FIN. */
  end(): void {
    this.socket.end()
  }

  /** Leaves at once. */
  destroy(): void {
    this.socket.destroy()
  }
}

/** One response over a connection of its own; throws when none came. */
export async function exchange(
  port: number,
  request: Buffer | string,
  { timeoutMs = 5000, method = 'GET' } = {},
): Promise<RawResponse & { readonly ending: Ending; readonly text: string }> {
  const client = await RawClient.connect(port, { method })
  try {
    await client.send(request)
    const [response] = await client.answered(1, timeoutMs)
    if (!response) throw new Error(`no answer (${client.ending}): ${JSON.stringify(client.text)}`)
    return { ...response, ending: client.ending, text: client.text }
  } finally {
    client.destroy()
  }
}

function parseResponses(bytes: Buffer, ending: Ending, method: string): readonly RawResponse[] {
  const responses: RawResponse[] = []
  for (let rest = bytes; rest.length > 0; ) {
    const headEnd = rest.indexOf('\r\n\r\n')
    if (headEnd < 0) break
    const [start = '', ...lines] = rest.subarray(0, headEnd).toString('latin1').split('\r\n')
    const [, status = '', reason = ''] = /^HTTP\/1\.[01] (\d{3}) ?(.*)$/.exec(start) ?? []
    if (status === '') throw new Error(`no response: ${JSON.stringify(start)}`)
    const message = { status: Number(status), reason, headers: readFields(lines) }
    const { used, ...body } = parseBody(rest.subarray(headEnd + 4), message, ending, method)
    responses.push({ ...message, ...body })
    if (!body.complete) break
    rest = rest.subarray(headEnd + 4 + used)
  }
  return responses
}

type Body = Pick<RawResponse, 'body' | 'trailers' | 'framing' | 'complete'> & { used: number }

function parseBody(
  bytes: Buffer,
  { status, headers }: Pick<RawResponse, 'status' | 'headers'>,
  ending: Ending,
  method: string,
): Body {
  const value = (name: string): string | undefined => headers.find(([key]) => key.toLowerCase() === name)?.[1]
  if (status === 101 || status < 200 || status === 204 || status === 304 || method === 'HEAD') {
    return { body: Buffer.alloc(0), trailers: [], framing: 'none', complete: true, used: 0 }
  }
  if (/chunked/i.test(value('transfer-encoding') ?? '')) return parseChunks(bytes)
  const length = value('content-length')
  if (length === undefined) {
    return { body: bytes, trailers: [], framing: 'close', complete: ending === 'fin', used: bytes.length }
  }
  const used = Math.min(Number(length), bytes.length)
  return { body: bytes.subarray(0, used), trailers: [], framing: 'length', complete: used === Number(length), used }
}

function parseChunks(bytes: Buffer): Body {
  const pieces: Buffer[] = []
  const partial = (): Body => ({
    body: Buffer.concat(pieces),
    trailers: [],
    framing: 'chunked',
    complete: false,
    used: bytes.length,
  })
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return partial()
    const size = Number.parseInt(bytes.subarray(at, lineEnd).toString('latin1'), 16)
    if (Number.isNaN(size)) throw new Error(`no chunk size: ${bytes.subarray(at, lineEnd)}`)
    if (size === 0) {
      const end = bytes.indexOf('\r\n\r\n', lineEnd)
      if (end < 0) return partial()
      const lines = bytes
        .subarray(lineEnd + 2, end)
        .toString('latin1')
        .split('\r\n')
        .filter((line) => line !== '')
      return { ...partial(), trailers: readFields(lines), complete: true, used: end + 4 }
    }
    const start = lineEnd + 2
    pieces.push(bytes.subarray(start, Math.min(start + size, bytes.length)))
    if (bytes.length < start + size + 2) return partial()
    at = start + size + 2
  }
}
