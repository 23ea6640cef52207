import type { Transform } from 'node:stream'

// Node's compressing streams answer through the thread pool. For a few hundred bytes that costs ten times the work itself,
// and the answer comes in another turn, when the socket that was to take it may be full. The native half of such a stream
// can be asked directly; that is no documented interface, so whoever uses it tries it first.

interface NativeCodec {
  writeSync(flush: number, from: Buffer, start: number, length: number, to: Buffer, at: number, room: number): void
  onerror: (message: string) => void
}

interface NativeStream {
  readonly _handle: NativeCodec
  /** Room left in the target, then bytes left in the source. */
  readonly _writeState: Uint32Array
}

/** A stream of zlib's. */
export type ZlibStream = Transform & { reset(): void }

/** A zlib stream's context, asked in place. */
export class SyncZlib {
  readonly #stream: ZlibStream
  readonly #native: NativeCodec
  readonly #left: Uint32Array
  #fault: string | undefined
  #isClosed = false

  constructor(stream: ZlibStream) {
    const { _handle: native, _writeState: left } = stream as unknown as NativeStream
    this.#stream = stream
    this.#native = native
    this.#left = left
    native.onerror = (message) => {
      this.#fault = message
    }
  }

  /**
   * Feeds all of `from` and writes what comes of it to `to`, as far as that reaches. Returns how much was written.
   *
   * @throws for bytes that are no such stream, or when not all of `from` could be used.
   */
  run(flush: number, from: Buffer, to: Buffer): number {
    if (this.#isClosed) throw new Error('closed')
    this.#native.writeSync(flush, from, 0, from.length, to, 0, to.length)
    const [room = 0, unused = 0] = this.#left
    if (this.#fault !== undefined) throw new Error(this.#fault)
    if (unused > 0) throw new Error('the stream has ended, or has no room')
    return to.length - room
  }

  /** Begins anew, as if nothing had been fed. */
  reset(): void {
    this.#stream.reset()
  }

  /** Whether it can be used again after a {@link reset}. */
  get isSound(): boolean {
    return this.#fault === undefined && !this.#isClosed
  }

  /** Gives its memory back; again is harmless. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#stream.destroy()
  }
}

/** Contexts of one kind. Those that are done with are used again: making one takes as long as packing twenty events. */
export class SyncZlibs {
  readonly #make: () => ZlibStream
  readonly #most: number
  readonly #spare: SyncZlib[] = []

  /** @param most how many are kept for later. */
  constructor(make: () => ZlibStream, most: number) {
    this.#make = make
    this.#most = most
  }

  /** A context that nothing has been fed to. */
  take(): SyncZlib {
    const spare = this.#spare.pop()
    spare?.reset()
    return spare ?? new SyncZlib(this.#make())
  }

  /** Takes a context back, whatever state it is in. */
  give(codec: SyncZlib): void {
    if (codec.isSound && this.#spare.length < this.#most) this.#spare.push(codec)
    else codec.close()
  }
}
