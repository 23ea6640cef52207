import type { Duplex } from 'node:stream'

/** What a caller may send before it has its answer; the rest waits in its socket. */
const MAX_EARLY_BYTES = 65_536

/** Keeps what a caller sends during the handshake, and notices when it leaves. */
export class Early {
  readonly #socket: Duplex
  readonly #pieces: Buffer[] = []
  #bytes = 0

  /** @param head bytes that came with the request. */
  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('data', this.#keep)
    socket.once('end', this.#leave)
    if (head.length > 0) this.#keep(head)
  }

  /** Gives the bytes back to the socket, for whoever reads it next. */
  giveBack(): void {
    this.#socket.pause()
    this.#socket.off('data', this.#keep)
    this.#socket.off('end', this.#leave)
    if (this.#bytes > 0) this.#socket.unshift(Buffer.concat(this.#pieces))
  }

  readonly #keep = (piece: Buffer): void => {
    this.#pieces.push(piece)
    this.#bytes += piece.length
    if (this.#bytes > MAX_EARLY_BYTES) this.#socket.pause()
  }

  readonly #leave = (): void => {
    this.#socket.destroy()
  }
}
