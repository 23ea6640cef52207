import type { AddressInfo } from 'node:net'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { resetSocket } from '@llm-ferry/kit'

/** How a connection is cut. `blackhole`: nothing arrives any more, in either direction, and nobody is told. */
export type Cut = 'fin' | 'rst' | 'blackhole'

/** What happens to one connection. */
export interface Fate {
  /** Cut after this many bytes from the relay; 0 cuts before the first. */
  readonly afterDown?: number
  /** Cut after this many bytes to the relay. */
  readonly afterUp?: number
  readonly how: Cut
}

export interface LineOptions {
  /** One-way delay in ms. Default 0: bytes are passed on in the same turn. */
  readonly delayMs?: number
  /** Rate from the relay in bytes a ms; default without limit. */
  readonly bytesPerMs?: number
}

/** A line to a relay at the level of TCP: it delays, slows and cuts connections as it is told. */
export class Line {
  /** The fate of the connection with this number; undefined: it lives. */
  fate: (connection: number) => Fate | undefined = () => undefined
  /** One-way delay in ms, for what arrives from now on. */
  delayMs: number
  /** While set, every connection is one that goes nowhere. */
  isBlackholed = false
  /** Connections so far, and those that were cut. */
  connections = 0
  cuts = 0
  readonly bytes = { up: 0, down: 0 }
  /** Port that new connections lead to. */
  target: number
  readonly #options: LineOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  static async start(target: number, options: LineOptions = {}, port = 0): Promise<Line> {
    const line = new Line(target, options)
    await new Promise<void>((resolve) => line.#server.listen(port, '127.0.0.1', resolve))
    return line
  }

  private constructor(target: number, options: LineOptions) {
    this.target = target
    this.#options = options
    this.delayMs = options.delayMs ?? 0
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => this.#join(near))
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Connections that live. */
  get open(): number {
    return this.#sockets.size / 2
  }

  /** Cuts every connection that lives. */
  cutAll(how: 'fin' | 'rst'): void {
    for (const socket of this.#sockets) cutSocket(socket, how)
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  #join(near: Socket): void {
    const fate = this.fate(this.connections++)
    const far = connect({ port: this.target, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    const pair = [near, far]
    let isCut = false
    const cut = (how: Cut): void => {
      if (isCut) return
      isCut = true
      this.cuts++
      if (how !== 'blackhole') for (const socket of pair) cutSocket(socket, how)
    }
    for (const socket of pair) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        if (!isCut) for (const other of pair) other.destroy()
      })
    }
    const isDead = (): boolean => isCut || this.isBlackholed
    this.#pass(near, far, 'up', fate?.afterUp, () => cut(fate?.how ?? 'rst'), isDead)
    this.#pass(far, near, 'down', fate?.afterDown, () => cut(fate?.how ?? 'rst'), isDead)
  }

  #pass(
    from: Socket,
    to: Socket,
    direction: 'up' | 'down',
    limit: number | undefined,
    cut: () => void,
    isDead: () => boolean,
  ): void {
    const { bytesPerMs } = this.#options
    let left = limit ?? Number.POSITIVE_INFINITY
    let clearAt = 0
    let arrivesAt = 0
    const later = (bytes: number, task: () => void): void => {
      const now = performance.now()
      if (this.delayMs === 0 && bytesPerMs === undefined && arrivesAt <= now) {
        task()
        return
      }
      const rate = direction === 'down' ? bytesPerMs : undefined
      // Never before what came earlier, though the delay may have become shorter since.
      clearAt = Math.max(clearAt, now) + (rate === undefined ? 0 : bytes / rate)
      arrivesAt = Math.max(arrivesAt, clearAt + this.delayMs)
      setTimeout(task, arrivesAt - now)
    }
    from.on('data', (bytes: Buffer) => {
      if (isDead()) return
      const passed = bytes.subarray(0, Math.max(0, left))
      left -= bytes.length
      this.bytes[direction] += passed.length
      later(passed.length, () => {
        if (isDead()) return
        // A line holds no more than the kernels do: otherwise the sender would take for read what nobody has seen.
        if (passed.length > 0 && !to.write(passed)) hold(from, to)
        if (passed.length < bytes.length || left === 0) cut()
      })
    })
    from.on('end', () =>
      later(0, () => {
        if (!isDead()) to.end()
      }),
    )
    if (limit === 0) cut()
  }
}

function hold(from: Socket, to: Socket): void {
  from.pause()
  to.once('drain', () => from.resume())
}

function cutSocket(socket: Socket, how: 'fin' | 'rst'): void {
  if (how === 'rst') resetSocket(socket)
  else socket.end(() => socket.destroy())
}
