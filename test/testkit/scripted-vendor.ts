import { createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSecureContext, TLSSocket } from 'node:tls'
import { resetSocket } from '@llm-ferry/kit'
import { ByteReader, type Field, readBody, readHead } from './http-reader.ts'

/** How a caller left a vendor's connection. */
export interface Closing {
  /** `performance.now()` when the vendor noticed. */
  readonly at: number
  readonly how: 'fin' | 'reset'
}

/** One request as the vendor read it off the socket. Grows until `complete` resolves. */
export class VendorRequest {
  readonly connection: number
  readonly head: Buffer
  readonly method: string
  readonly target: string
  readonly version: string
  readonly headers: readonly Field[]
  /** `performance.now()` when the head had arrived. */
  readonly startedAt: number = performance.now()
  /** Resolves with the end of the body; never when the caller leaves before it. */
  readonly complete: Promise<void>
  /** Resolves when the caller leaves this request's connection. */
  readonly closed: Promise<Closing>
  closing: Closing | undefined
  isComplete = false
  bodyBytes = 0
  trailers: readonly Field[] = []
  readonly #chunks: Buffer[] = []
  readonly #keepBody: boolean
  #finish: () => void = () => {}
  #close: (closing: Closing) => void = () => {}

  constructor(connection: number, head: Buffer, keepBody: boolean) {
    const { method, target, version, headers } = readHead(head)
    this.connection = connection
    this.head = head
    this.method = method
    this.target = target
    this.version = version
    this.headers = headers
    this.#keepBody = keepBody
    this.complete = new Promise((resolve) => {
      this.#finish = resolve
    })
    this.closed = new Promise((resolve) => {
      this.#close = resolve
    })
  }

  /** All decoded body bytes so far. */
  get body(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  /** First value of a header, or undefined. */
  header(name: string): string | undefined {
    return this.headerValues(name)[0]
  }

  headerValues(name: string): readonly string[] {
    return this.headers.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
  }

  /** Head and body in one text, to search for what must not be there. */
  get text(): string {
    return `${this.head.toString('latin1')}${this.body.toString('latin1')}`
  }

  addBody(bytes: Buffer): void {
    this.bodyBytes += bytes.length
    if (this.#keepBody) this.#chunks.push(bytes)
  }

  finishBody(trailers: readonly Field[]): void {
    this.trailers = trailers
    this.isComplete = true
    this.#finish()
  }

  noteClosing(closing: Closing): void {
    if (this.closing) return
    this.closing = closing
    this.#close(closing)
  }
}

/** The vendor's side of one exchange, which steps act on. */
export interface Wire {
  readonly socket: Socket
  readonly request: VendorRequest
  /** Writes and waits until the kernel has taken the bytes; does nothing on a closed connection. */
  write(bytes: Buffer | string): Promise<void>
  /** Sends RST. */
  reset(): void
}

/** One thing the vendor does. Steps run in order; a closed connection ends the script. */
export type Step = (wire: Wire) => void | Promise<void>

const toBuffer = (bytes: Buffer | string): Buffer => (typeof bytes === 'string' ? Buffer.from(bytes) : bytes)

/** Bytes as they are. */
export const raw =
  (bytes: Buffer | string): Step =>
  (wire) =>
    wire.write(bytes)

/** A status line and headers, in the order and letter case given. */
export const head = (status: number, headers: readonly Field[], reason = 'Reason'): Step =>
  raw(`HTTP/1.1 ${status} ${reason}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)

/** One chunk of a chunked body, in one write. */
export const chunk = (data: Buffer | string): Step => {
  const bytes = toBuffer(data)
  return raw(Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]))
}

/** The end of a chunked body, with trailers if given. */
export const lastChunk = (trailers: readonly Field[] = []): Step =>
  raw(`0\r\n${trailers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)

export const delay =
  (ms: number): Step =>
  async (wire) => {
    await Promise.race([sleep(ms), wire.request.closed])
  }

/** Says nothing more until the caller leaves. */
export const hang = (): Step => async (wire) => {
  await wire.request.closed
}

/** Ends the connection with RST. */
export const reset = (): Step => (wire) => wire.reset()

/** Ends the connection cleanly. */
export const fin = (): Step => async (wire) => {
  await new Promise<void>((resolve) => wire.socket.end(resolve))
}

/** Bytes in pieces of `size`, `everyMs` apart. */
export const dribble =
  (data: Buffer | string, size: number, everyMs: number): Step =>
  async (wire) => {
    const bytes = toBuffer(data)
    for (let at = 0; at < bytes.length && !wire.request.closing; at += size) {
      await wire.write(bytes.subarray(at, at + size))
      await sleep(everyMs)
    }
  }

/** `total` bytes of a close-delimited or counted body in large writes, as fast as the reader takes them. */
export const flood =
  (total: number, piece: Buffer = Buffer.alloc(65536, 'x')): Step =>
  async (wire) => {
    for (let sent = 0; sent < total && !wire.request.closing; sent += piece.length) {
      await wire.write(piece.subarray(0, Math.min(piece.length, total - sent)))
    }
  }

/** Stops reading from the caller, so that its writes pile up. */
export const stopReading = (): Step => (wire) => {
  wire.socket.pause()
}

/** What the vendor does with a request: the steps begin when the head has arrived. */
export type Script = (request: VendorRequest) => readonly Step[] | Promise<readonly Step[]>

/** A script that is asked when the whole request has arrived, or its caller has left. */
export const afterBody =
  (script: Script): Script =>
  async (request) => {
    await Promise.race([request.complete, request.closed])
    return script(request)
  }

export interface VendorOptions {
  readonly script?: Script
  /** Serve TLS with this certificate. */
  readonly tls?: { readonly key: string; readonly cert: string }
  /** Whether bodies are kept; off for floods. */
  readonly keepBody?: boolean
}

/** A vendor on a raw socket: records what arrives byte by byte, and answers by script, right or wrong. */
export class ScriptedVendor {
  script: Script
  /** Every request since the start or the last `clear()`. */
  requests: VendorRequest[] = []
  /** Bytes that were no HTTP request. */
  malformed: Buffer[] = []
  /** Connections accepted since the start. */
  accepted = 0
  readonly #options: VendorOptions
  readonly #server: Server
  readonly #open = new Set<Socket>()
  readonly #arrivals = new Set<() => void>()

  static async start(options: VendorOptions = {}): Promise<ScriptedVendor> {
    const vendor = new ScriptedVendor(options)
    await new Promise<void>((resolve, reject) => {
      vendor.#server.once('error', reject)
      vendor.#server.listen(0, '127.0.0.1', resolve)
    })
    return vendor
  }

  private constructor(options: VendorOptions) {
    this.#options = options
    this.script = options.script ?? afterBody(() => [head(200, [['content-length', '2']]), raw('{}')])
    // Half-open, so that a caller's FIN and a caller's RST can be told apart.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket))
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the vendor is not listening')
    return address.port
  }

  get origin(): string {
    return this.#options.tls ? `https://localhost:${this.port}` : `http://127.0.0.1:${this.port}`
  }

  /** Connections open now. */
  get open(): number {
    return this.#open.size
  }

  /** Forgets what was recorded. */
  clear(): void {
    this.requests = []
    this.malformed = []
  }

  /** The only request since the last `clear()`. */
  get only(): VendorRequest {
    const [request] = this.requests
    if (!request || this.requests.length !== 1)
      throw new Error(`the vendor saw ${this.requests.length} requests, not 1`)
    return request
  }

  /** Waits until `count` requests have begun to arrive; returns the last of them. */
  async received(count = 1, timeoutMs = 5000): Promise<VendorRequest> {
    const deadline = performance.now() + timeoutMs
    while (this.requests.length < count) {
      const left = deadline - performance.now()
      if (left <= 0) throw new Error(`the vendor saw ${this.requests.length} of ${count} requests in ${timeoutMs} ms`)
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer)
          this.#arrivals.delete(done)
          resolve()
        }
        const timer = setTimeout(done, left)
        this.#arrivals.add(done)
      })
    }
    return this.requests[count - 1] as VendorRequest
  }

  async stop(): Promise<void> {
    for (const socket of this.#open) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #accept(tcp: Socket): void {
    const connection = this.accepted++
    this.#open.add(tcp)
    tcp.once('close', () => this.#open.delete(tcp))
    const { tls } = this.#options
    const socket = tls
      ? new TLSSocket(tcp, { isServer: true, secureContext: createSecureContext(tls), ALPNProtocols: ['http/1.1'] })
      : tcp
    this.#serve(socket, tcp, connection).catch(() => tcp.destroy())
  }

  async #serve(socket: Socket, tcp: Socket, connection: number): Promise<void> {
    const mine: VendorRequest[] = []
    let closing: Closing | undefined
    const close = (how: Closing['how']): void => {
      closing ??= { at: performance.now(), how }
      for (const request of mine) request.noteClosing(closing)
    }
    socket.on('end', () => {
      close('fin')
      socket.end()
    })
    socket.on('error', () => close('reset'))
    tcp.on('error', () => close('reset'))
    socket.on('close', () => close('fin'))
    const reader = new ByteReader(socket)
    let answered: Promise<void> = Promise.resolve()
    for (;;) {
      const headBytes = await reader.head()
      if (!headBytes) return
      let request: VendorRequest
      try {
        request = new VendorRequest(connection, headBytes, this.#options.keepBody ?? true)
      } catch {
        this.malformed.push(headBytes)
        socket.destroy()
        return
      }
      mine.push(request)
      if (closing) request.noteClosing(closing)
      this.requests.push(request)
      for (const arrived of [...this.#arrivals]) arrived()
      answered = answered.then(() => this.#answer(request, socket, tcp))
      answered.catch(() => tcp.destroy())
      await readBody(reader, request)
    }
  }

  async #answer(request: VendorRequest, socket: Socket, tcp: Socket): Promise<void> {
    const wire: Wire = {
      socket,
      request,
      write: async (bytes) => {
        if (socket.destroyed || !socket.writable) return
        await new Promise<void>((resolve) => {
          const done = (): void => {
            socket.off('close', done)
            resolve()
          }
          socket.once('close', done)
          socket.write(bytes, done)
        })
      },
      reset: () => {
        resetSocket(tcp)
      },
    }
    for (const step of await this.script(request)) {
      if (socket.destroyed) return
      await step(wire)
    }
  }
}
