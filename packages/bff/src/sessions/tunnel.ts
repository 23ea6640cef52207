import { FerryError } from '@llm-ferry/sdk'
import type { RawData, WebSocket } from 'ws'

/** Bytes that wait for one side before the other one is not read any more, and until it is again. */
const HIGH_WATER = 1_048_576
const LOW_WATER = 262_144
/** Pace at which both sides are asked whether they are there, in ms; who does not answer until the next time is not. */
const PING_MS = 30_000
/** How long one side may take to close after the other has, in ms. */
const LINGER_MS = 900
/** "Going away" (RFC 6455, 7.4.1). */
const GOING_AWAY = 1001
/** "Policy violation". */
const NOT_ALLOWED = 1008

/** What a tunnel joins, and who hears of what passes. */
export interface TunnelOptions {
  readonly caller: WebSocket
  readonly vendor: WebSocket
  /** Longest time without a message in either direction, in ms. */
  readonly idleMs: number
  readonly fromCaller: (message: Buffer) => void
  readonly fromVendor: (message: Buffer) => void
}

/** How a session ended: who closed, with which code, and what was wrong, if anything. */
export interface SessionEnd {
  /** Code that the Close frame had; 1006: there was none. */
  readonly code: number
  readonly error: FerryError | undefined
}

/**
 * Passes messages between two open WebSockets until both are closed. A slow reader pauses the other side; a Close frame
 * goes on with its code and reason; a connection that broke breaks the other one.
 */
export class Tunnel {
  readonly ended: Promise<SessionEnd>
  readonly #options: TunnelOptions
  readonly #idleTimer: NodeJS.Timeout
  readonly #pingTimer: NodeJS.Timeout
  readonly #silent = new Set<WebSocket>()
  #end: SessionEnd | undefined
  #open = 2

  constructor(options: TunnelOptions) {
    this.#options = options
    const { caller, vendor, idleMs, fromCaller, fromVendor } = options
    this.#idleTimer = setTimeout(() => this.#idle(), idleMs)
    this.#pingTimer = setInterval(() => this.#ping(), PING_MS)
    this.ended = new Promise((resolve) => {
      const closed = (): void => {
        if (--this.#open > 0) return
        clearTimeout(this.#idleTimer)
        clearInterval(this.#pingTimer)
        resolve(this.#end ?? { code: 1006, error: undefined })
      }
      this.#pass(caller, vendor, fromCaller, closed, () => left())
      this.#pass(vendor, caller, fromVendor, closed, () => brokenOff())
    })
  }

  /** Ends the session because this process does: the caller may connect again, to another one. */
  drain(): void {
    this.#finish({ code: GOING_AWAY, error: new FerryError('draining', 'The session was ended by a restart') })
  }

  /** Ends the session because its caller may not go on, and tells it why; to the vendor it just ends. */
  revoke(error: FerryError): void {
    if (this.#end) return
    this.#end = { code: NOT_ALLOWED, error }
    close(this.#options.caller, NOT_ALLOWED, error.message)
    close(this.#options.vendor, GOING_AWAY, '')
  }

  #pass(from: WebSocket, to: WebSocket, heard: (message: Buffer) => void, closed: () => void, fault: () => FerryError) {
    from.on('message', (data: RawData, binary: boolean) => {
      this.#idleTimer.refresh()
      const message = data as Buffer
      heard(message)
      to.send(message, { binary }, () => {
        if (to.bufferedAmount <= LOW_WATER) from.resume()
      })
      if (to.bufferedAmount > HIGH_WATER) from.pause()
    })
    from.on('pong', () => this.#silent.delete(from))
    from.on('error', () => {})
    from.on('close', (code, reason) => {
      const isBroken = code === 1006 || code === 1015
      this.#end ??= { code, error: isBroken ? fault() : undefined }
      if (isBroken) to.terminate()
      else close(to, code, reason)
      closed()
    })
  }

  #idle(): void {
    const { idleMs } = this.#options
    this.#finish({ code: GOING_AWAY, error: new FerryError('upstream_timeout', `Nobody spoke for ${idleMs} ms`) })
  }

  #finish(end: SessionEnd): void {
    this.#end ??= end
    for (const side of [this.#options.caller, this.#options.vendor]) close(side, end.code, '')
  }

  #ping(): void {
    for (const side of [this.#options.caller, this.#options.vendor]) {
      // A side that is not read because the other is slow cannot answer.
      if (side.isPaused) continue
      if (this.#silent.has(side)) side.terminate()
      this.#silent.add(side)
      side.ping()
    }
  }
}

const left = (): FerryError => new FerryError('client_closed', 'The caller left the session')
const brokenOff = (): FerryError => new FerryError('upstream_truncated', 'The session broke off')

function close(side: WebSocket, code: number, reason: Buffer | string): void {
  // 1005 says that a Close frame had no code.
  if (code === 1005) side.close()
  else side.close(code, reason)
  // A paused side would not read the answer.
  side.resume()
  const timer = setTimeout(() => side.terminate(), LINGER_MS)
  side.once('close', () => clearTimeout(timer))
}
