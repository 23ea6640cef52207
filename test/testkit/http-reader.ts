import type { Socket } from 'node:net'

/** A header or trailer line: name and value as they stood on the wire. */
export type Field = readonly [name: string, value: string]

/** Start line and headers of a message. */
export interface RequestHead {
  readonly method: string
  readonly target: string
  readonly version: string
  readonly headers: readonly Field[]
}

/** Reads header lines as they stand, without judging them. */
export function readFields(lines: readonly string[]): readonly Field[] {
  return lines.map((line) => {
    const colon = line.indexOf(':')
    if (colon < 1) throw new Error(`no header: ${JSON.stringify(line)}`)
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
}

/** Reads a request's head. Throws when it is none. */
export function readHead(head: Buffer): RequestHead {
  const [start = '', ...lines] = head
    .toString('latin1')
    .replace(/\r\n\r\n$/, '')
    .split('\r\n')
  const [, method, target, version] = /^([^ ]+) (.*) (HTTP\/1\.[01])$/.exec(start) ?? []
  if (method === undefined || target === undefined || version === undefined) throw new Error(`no request: ${start}`)
  return { method, target, version, headers: readFields(lines) }
}

/** Pulls bytes off a socket, which is always being read so that a peer's leaving is seen at once. */
export class ByteReader {
  #buffer: Buffer = Buffer.alloc(0)
  #ended = false
  #wake: () => void = () => {}

  constructor(socket: Socket) {
    socket.on('data', (bytes: Buffer) => {
      this.#buffer = this.#buffer.length === 0 ? bytes : Buffer.concat([this.#buffer, bytes])
      this.#wake()
    })
    const end = (): void => {
      this.#ended = true
      this.#wake()
    }
    socket.on('end', end).on('close', end)
  }

  /** A message's head with its empty line, or undefined at the end. */
  async head(): Promise<Buffer | undefined> {
    return this.#until('\r\n\r\n')
  }

  async line(): Promise<string | undefined> {
    return (await this.#until('\r\n'))?.toString('latin1').slice(0, -2)
  }

  /** What has arrived, at most `max` bytes; undefined at the end. */
  async some(max: number): Promise<Buffer | undefined> {
    while (this.#buffer.length === 0) {
      if (this.#ended) return undefined
      await this.#more()
    }
    return this.#take(Math.min(max, this.#buffer.length))
  }

  async #until(mark: string): Promise<Buffer | undefined> {
    for (;;) {
      const at = this.#buffer.indexOf(mark)
      if (at >= 0) return this.#take(at + mark.length)
      if (this.#ended) return undefined
      await this.#more()
    }
  }

  #take(length: number): Buffer {
    const bytes = this.#buffer.subarray(0, length)
    this.#buffer = this.#buffer.subarray(length)
    return bytes
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}

/** What takes a message's body as it arrives. */
export interface BodySink {
  readonly headers: readonly Field[]
  addBody(bytes: Buffer): void
  finishBody(trailers: readonly Field[]): void
}

const value = (headers: readonly Field[], name: string): string | undefined =>
  headers.find(([key]) => key.toLowerCase() === name)?.[1]

/** Reads a request's body by its framing. After an Upgrade all that follows is the body. */
export async function readBody(reader: ByteReader, sink: BodySink): Promise<void> {
  if (value(sink.headers, 'upgrade') !== undefined) {
    sink.finishBody([])
    for (let bytes = await reader.some(65536); bytes; bytes = await reader.some(65536)) sink.addBody(bytes)
    return
  }
  if (/chunked/i.test(value(sink.headers, 'transfer-encoding') ?? '')) return readChunks(reader, sink)
  const left = Number(value(sink.headers, 'content-length') ?? 0)
  if (await readCounted(reader, left, sink)) sink.finishBody([])
}

async function readCounted(reader: ByteReader, length: number, sink: BodySink): Promise<boolean> {
  for (let left = length; left > 0; ) {
    const bytes = await reader.some(left)
    if (!bytes) return false
    sink.addBody(bytes)
    left -= bytes.length
  }
  return true
}

async function readChunks(reader: ByteReader, sink: BodySink): Promise<void> {
  for (;;) {
    const size = await reader.line()
    if (size === undefined) return
    const length = Number.parseInt(size, 16)
    if (length === 0) break
    if (!(await readCounted(reader, length, sink))) return
    if ((await reader.line()) === undefined) return
  }
  const trailers: string[] = []
  for (let line = await reader.line(); line !== ''; line = await reader.line()) {
    if (line === undefined) return
    trailers.push(line)
  }
  sink.finishBody(readFields(trailers))
}
