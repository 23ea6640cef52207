import type { Dispatcher } from 'undici'
import { certificateAlert } from './certificate-alert.ts'
import { choosePacking, type Frame, FrameDecoder, LINK_HEADERS } from './wire/index.ts'

/** One HTTP request that brings an exchange to the relay, or its answer back. */
export interface CarrierRequest {
  readonly origin: string
  readonly path: string
  readonly method: string
  /** Names and values alternating. */
  readonly headers: readonly string[]
  readonly body: Buffer | undefined
}

/** What a carrier tells. After {@link CarrierEvents.onOver} nothing follows. */
export interface CarrierEvents {
  /** The whole request was handed to the system. */
  onSent(): void
  /** Bytes of any kind have come. */
  onContact(): void
  /**
   * The answer is framed, so the exchange is claimed; its silences last no longer than `heartbeatMs`. `isKept`: the relay
   * keeps the request's body for later ones to build on.
   */
  onAccepted(heartbeatMs: number, isKept: boolean): void
  onFrames(frames: readonly Frame[]): void
  onOver(end: CarrierEnd): void
}

/** How a carrier ended. */
export type CarrierEnd =
  /** An answer that is not framed: the relay's own word, or that of a proxy in front of it. */
  | { readonly kind: 'answered'; readonly status: number; readonly headers: readonly string[]; readonly body: Buffer }
  /** The connection ended; whether frames are missing only the frames tell. */
  | { readonly kind: 'closed'; readonly error: Error | undefined; readonly wasSent: boolean }

/** Longest unframed answer that is read. */
const MAX_ANSWER_BYTES = 65_536

/** A carrier under way: undici's handler for it. */
export class Carrier implements Dispatcher.DispatchHandler {
  readonly #events: CarrierEvents
  #decoder = new FrameDecoder()
  #controller: Dispatcher.DispatchController | undefined
  #status = 0
  #headers: readonly string[] = []
  #isFramed = false
  #body: Buffer[] = []
  #bytes = 0
  #isOver = false
  #isPaused = false
  #wasSent = false

  constructor(dispatcher: Dispatcher, { origin, path, method, headers, body }: CarrierRequest, events: CarrierEvents) {
    this.#events = events
    const options = {
      origin,
      path,
      method,
      headers: [...headers],
      body: body ?? null,
      headersTimeout: 0,
      bodyTimeout: 0,
    }
    dispatcher.dispatch(options, this)
  }

  /** Ends it. Its own end is told like any other. */
  close(error: Error): void {
    this.#over({ kind: 'closed', error, wasSent: this.#wasSent })
    this.#controller?.abort(error)
  }

  pause(): void {
    this.#isPaused = true
    this.#controller?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#controller?.resume()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isOver) controller.abort(new Error('closed'))
  }

  onRequestSent(): void {
    if (this.#isOver) return
    this.#wasSent = true
    this.#events.onSent()
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200 || this.#isOver) return
    this.#status = status
    this.#headers = (controller.rawHeaders as readonly Buffer[]).map((text) => text.toString('latin1'))
    this.#isFramed = this.#header(LINK_HEADERS.frames) === '1'
    this.#events.onContact()
    if (this.#isFramed) this.#accepted()
    if (this.#isPaused) controller.pause()
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isOver) return
    this.#events.onContact()
    if (!this.#isFramed) {
      this.#bytes += chunk.length
      if (this.#bytes <= MAX_ANSWER_BYTES) this.#body.push(chunk)
      return
    }
    try {
      const frames = this.#decoder.push(chunk)
      if (frames.length > 0) this.#events.onFrames(frames)
    } catch (error) {
      this.close(error as Error)
    }
  }

  onResponseEnd(): void {
    if (this.#isFramed) this.#over({ kind: 'closed', error: undefined, wasSent: true })
    else this.#over({ kind: 'answered', status: this.#status, headers: this.#headers, body: Buffer.concat(this.#body) })
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#over(certificateAlert(error) ?? { kind: 'closed', error, wasSent: this.#wasSent })
  }

  #accepted(): void {
    this.#decoder = new FrameDecoder(choosePacking(this.#header(LINK_HEADERS.pack)))
    const isKept = this.#header(LINK_HEADERS.keep) === '1'
    this.#events.onAccepted(Number(this.#header(LINK_HEADERS.heartbeat)) || 0, isKept)
  }

  #header(name: string): string | undefined {
    const at = this.#headers.findIndex((text, index) => index % 2 === 0 && text.toLowerCase() === name)
    return at === -1 ? undefined : this.#headers[at + 1]
  }

  #over(end: CarrierEnd): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#decoder.close()
    this.#events.onOver(end)
  }
}
