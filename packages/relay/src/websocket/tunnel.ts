import type { Duplex } from 'node:stream'
import type { Exchange, Outcome } from '../exchange.ts'
import { closeFrame } from './frames.ts'
import { Lane } from './lane.ts'

/** Counts what goes through a tunnel. */
export interface TunnelMeter {
  bytes(direction: 'in' | 'out', count: number): void
  /** @param code the Close frame's code; undefined when neither side sent one. */
  closed(code: number | undefined): void
}

/** What a tunnel joins. */
export interface TunnelEnds {
  readonly exchange: Exchange
  readonly caller: Duplex
  readonly vendor: Duplex
  /** Longest silence of both sides, and longest time one may leave bytes unread, in ms. */
  readonly idleMs: number
  readonly meter: TunnelMeter
}

/** "Going away": the server goes down, or it is tired of waiting (RFC 6455, 7.4.1). */
const GOING_AWAY = 1001
/** How long one side may take to close after the other has. */
const LINGER_MS = 900

/** Joins the caller's and the vendor's connection after the handshake, until both are closed. */
export function openTunnel(ends: TunnelEnds): void {
  new Tunnel(ends).start()
}

class Tunnel {
  readonly #ends: TunnelEnds
  readonly #toVendor: Lane
  readonly #toCaller: Lane
  readonly #idleTimer: NodeJS.Timeout
  #lingerTimer: NodeJS.Timeout | undefined
  #open = 2

  constructor(ends: TunnelEnds) {
    const { exchange, caller, vendor, idleMs, meter } = ends
    this.#ends = ends
    this.#toVendor = new Lane(caller, vendor, idleMs, {
      moved: (count) => {
        exchange.bytesIn += count
        meter.bytes('in', count)
        this.#idleTimer.refresh()
      },
      ended: () => this.#callerEnded(),
      stalled: () => this.#giveUp('upstream_truncated'),
    })
    this.#toCaller = new Lane(vendor, caller, idleMs, {
      moved: (count) => {
        exchange.firstByteAt ??= performance.now()
        exchange.bytesOut += count
        meter.bytes('out', count)
        this.#idleTimer.refresh()
      },
      ended: () => this.#vendorEnded(),
      stalled: () => this.#giveUp('client_stalled'),
    })
    this.#idleTimer = setTimeout(() => this.#silent(), idleMs)
  }

  start(): void {
    const { exchange, caller, vendor } = this.#ends
    exchange.abort = (reason) => (reason === 'drained' ? this.#sayGoodbye(reason) : this.#giveUp(reason))
    for (const side of [caller, vendor]) {
      side.on('error', () => {})
      side.once('close', () => this.#sideClosed())
    }
    // A reset is a close without an end: what is on its way to the caller still arrives, the vendor's session is over.
    vendor.once('close', () => this.#vendorEnded())
    caller.once('close', () => vendor.destroy())
    this.#toVendor.start()
    this.#toCaller.start()
  }

  #callerEnded(): void {
    this.#settle('client_closed')
    this.#ends.vendor.end()
    this.#linger()
  }

  #vendorEnded(): void {
    const { caller } = this.#ends
    this.#settle('upstream_truncated')
    if (caller.writableEnded) return
    // A slow reader gets the time that it would have had with the vendor.
    caller.end(() => this.#linger())
  }

  /** A side that closed in good order says so in a Close frame; a connection that just ends was broken off. */
  #settle(otherwise: Outcome): void {
    this.#ends.exchange.outcome ??= this.#closeCode === undefined ? otherwise : 'completed'
  }

  get #closeCode(): number | undefined {
    return this.#toCaller.frames.closeCode ?? this.#toVendor.frames.closeCode
  }

  /** Closes with a Close frame, so that the caller knows that it was not its fault and may connect again. */
  #sayGoodbye(outcome: Outcome): void {
    this.#ends.exchange.outcome ??= outcome
    this.#toVendor.stop()
    this.#toCaller.finishWith(closeFrame(GOING_AWAY))
    this.#linger()
  }

  /** Nobody says anything, unless it is that somebody does not listen. */
  #silent(): void {
    const { caller, vendor } = this.#ends
    if (caller.writableNeedDrain) this.#giveUp('client_stalled')
    else if (vendor.writableNeedDrain) this.#giveUp('upstream_truncated')
    else this.#sayGoodbye('idle')
  }

  #giveUp(outcome: Outcome): void {
    this.#ends.exchange.outcome ??= outcome
    this.#destroy()
  }

  #linger(): void {
    this.#lingerTimer ??= setTimeout(() => this.#destroy(), LINGER_MS)
  }

  #destroy(): void {
    this.#ends.caller.destroy()
    this.#ends.vendor.destroy()
  }

  #sideClosed(): void {
    this.#open -= 1
    if (this.#open > 0) return
    clearTimeout(this.#idleTimer)
    clearTimeout(this.#lingerTimer)
    this.#toVendor.stop()
    this.#toCaller.stop()
    this.#ends.meter.closed(this.#closeCode)
  }
}
