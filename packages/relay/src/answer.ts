import { FerryError } from '@llm-ferry/sdk'
import { retryAfterMs } from '@llm-ferry/sdk/schema'
import type { Dispatcher } from 'undici'
import { contentLength, isChunked, keyRejected, nextSequence, rewriteField, trailerPairs } from './answer-facts.ts'
import type { Source } from './copy.ts'
import { upstreamError, upstreamReset, wireError } from './errors.ts'
import type { Exchange, Outcome } from './exchange.ts'
import { answerHeaders, headerValue, removeHeader, type UrlRewrite } from './headers.ts'
import { HeldBody } from './held-body.ts'
import type { PoolKey } from './keys.ts'
import { endedByReset } from './upstream.ts'
import type { Vendor } from './vendor.ts'

/** Where an answer goes: to the caller's connection, or to what outlives it. */
export interface Output {
  /** Whether the head is out. */
  readonly hasHead: boolean
  /** @param length Content-Length, or -1. */
  head(status: number, reason: string, headers: string[], length: number): void
  data(chunk: Buffer, source: Source): void
  /** The answer is whole. */
  end(trailers?: [string, string][]): void
  /**
   * The rest will not come.
   *
   * @param event makes the vendor's own error event, given the last bytes, where the answer can hold one.
   * @param error why; undefined when the caller is the reason.
   */
  breakOff(event: ((tail: string) => string) | undefined, error: FerryError | undefined): void
  /** An error of ours in place of the answer. */
  refuse(error: FerryError): void
}

/** What an answer needs to know of its call. */
export interface AnswerOptions {
  readonly exchange: Exchange
  readonly output: Output
  readonly vendor: Vendor
  readonly key: PoolKey
  readonly urls: UrlRewrite
  /** Wait for the head, in ms from the dispatch. */
  readonly headMs: number
  /** Whether the wait for the head begins with the last byte of the request, as an upload takes its own time. */
  readonly waitsForUpload: boolean
}

class Gone extends Error {}

/**
 * Receives a vendor's answer and passes it on: undici's handler for one call.
 *
 * Three answers do not pass as they are: a refusal of our key, a redirect, and JSON with a URL that must lead back here.
 */
export class Answer implements Dispatcher.DispatchHandler {
  readonly #options: AnswerOptions
  readonly #output: Output
  #controller: Dispatcher.DispatchController | undefined
  #headTimer: NodeJS.Timeout | undefined
  #reason: FerryError | Gone | undefined
  #status = 0
  #reasonPhrase = ''
  #headers: string[] = []
  #held: HeldBody | undefined
  #endsWithConnection = false
  /** Whether the answer is a stream of plain events, which can hold one of ours. */
  #takesEvents = false
  #over = false

  constructor(options: AnswerOptions) {
    this.#options = options
    const { exchange, output } = options
    this.#output = output
    if (!options.waitsForUpload) this.#startHeadTimer()
    exchange.abort = (reason) => this.#giveUp(reason)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#reason !== undefined) {
      controller.abort(this.#reason)
      return
    }
    const { exchange } = this.#options
    exchange.reached = true
    exchange.sentAt = performance.now()
  }

  onRequestSent(): void {
    this.#options.exchange.reservation?.release()
    if (this.#options.waitsForUpload && this.#status === 0 && !this.#over) this.#startHeadTimer()
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _: unknown, reason = ''): void {
    if (status < 200) return
    clearTimeout(this.#headTimer)
    const { exchange, key, urls } = this.#options
    exchange.headAt = performance.now()
    this.#status = status
    this.#reasonPhrase = reason
    const raw = controller.rawHeaders as Buffer[]
    this.#headers = answerHeaders(raw, key.secret, urls, exchange.id)
    this.#noteKey(status)
    if (!this.#isRefused(status)) this.#passHead(raw)
    // A stream may wait for minutes; nothing that has been passed on is kept for it.
    controller.rawHeaders = null
    if (this.#held === undefined) this.#headers = []
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { exchange } = this.#options
    exchange.firstByteAt ??= performance.now()
    exchange.bytesOut += chunk.length
    if (this.#held === undefined) this.#output.data(chunk, controller)
    else if (!this.#held.add(chunk)) this.#releaseHeld(controller)
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (this.#over) return
    if (this.#endsWithConnection && endedByReset()) {
      this.#fail(new FerryError('upstream_truncated', 'The vendor’s answer broke off before its end.'))
      return
    }
    if (this.#held !== undefined) this.#finishHeld(this.#held)
    else this.#output.end(trailerPairs(controller.rawTrailers))
    this.#finish()
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.#over) return
    const { exchange } = this.#options
    const cause = this.#reason ?? error
    if (cause instanceof Gone) this.#finish()
    else if (this.#status === 0 && exchange.reached && !FerryError.is(cause) && isReset(cause))
      this.#fail(upstreamReset(cause))
    else this.#fail(upstreamError(cause, this.#status !== 0))
  }

  /** Lets go of the exchange: whoever takes it over answers the caller. */
  protected release(): void {
    this.#finish()
  }

  /** The head goes out now, or waits for what the body says. */
  #passHead(raw: readonly Buffer[]): void {
    const { exchange, vendor } = this.#options
    const { dialect } = vendor
    exchange.status = this.#status
    exchange.vendorRequestId = headerValue(this.#headers, dialect.requestIdHeader)
    const length = contentLength(this.#headers, this.#status)
    this.#endsWithConnection = length === -1 && !isChunked(raw)
    this.#takesEvents =
      headerValue(this.#headers, 'content-encoding') === undefined &&
      (headerValue(this.#headers, 'content-type')?.startsWith('text/event-stream') ?? false)
    if (this.#mustHold()) this.#held = new HeldBody(headerValue(this.#headers, 'content-encoding'))
    else this.#sendHead(length)
  }

  #sendHead(length: number): void {
    const { exchange } = this.#options
    const bodiless = exchange.request.method === 'HEAD' || this.#status === 204 || this.#status === 304
    if (this.#status === 204) removeHeader(this.#headers, 'content-length')
    this.#output.head(this.#status, this.#reasonPhrase, this.#headers, bodiless ? -1 : length)
  }

  #mustHold(): boolean {
    const { exchange, vendor } = this.#options
    const { keyFaultStatuses, urlField } = vendor.dialect
    if (exchange.request.method === 'HEAD') return false
    if (keyFaultStatuses.includes(this.#status)) return true
    return this.#status === 200 && urlField !== undefined && urlField.operation.test(exchange.operation)
  }

  /** Vendor's answers that become an error of ours at their head. */
  #isRefused(status: number): boolean {
    if (status === 401) {
      this.#refuse(keyRejected(this.#options.vendor.name))
      return true
    }
    if (status >= 300 && status < 400 && status !== 304) {
      // An SDK would follow it past the relay, its credential with it.
      this.#refuse(new FerryError('upstream_invalid', 'The vendor answered with a redirect, which is not followed.'))
      return true
    }
    return false
  }

  #finishHeld(held: HeldBody): void {
    const { vendor, key, urls } = this.#options
    const { dialect } = vendor
    const text = held.text()
    if (dialect.keyFaultStatuses.includes(this.#status)) {
      if (text !== undefined && (dialect.keyFault.test(text) || text.includes(key.secret))) {
        vendor.keys.rejected(key)
        this.#refuse(keyRejected(vendor.name))
        return
      }
    } else if (dialect.urlField !== undefined && text !== undefined) {
      this.#sendRewritten(rewriteField(text, dialect.urlField.name, urls.rewrite))
      return
    }
    this.#sendHead(contentLength(this.#headers, this.#status))
    for (const chunk of held.chunks) this.#output.data(chunk, NO_SOURCE)
    this.#output.end()
  }

  #sendRewritten(text: string): void {
    const body = Buffer.from(text)
    removeHeader(this.#headers, 'content-encoding')
    removeHeader(this.#headers, 'content-length')
    this.#headers.push('content-length', String(body.length))
    this.#sendHead(body.length)
    this.#output.data(body, NO_SOURCE)
    this.#output.end()
  }

  /** Too large to be looked at: it passes as it is. */
  #releaseHeld(controller: Dispatcher.DispatchController): void {
    const chunks = this.#held?.chunks ?? []
    this.#held = undefined
    this.#sendHead(contentLength(this.#headers, this.#status))
    for (const chunk of chunks) this.#output.data(chunk, controller)
  }

  #noteKey(status: number): void {
    const { vendor, key } = this.#options
    if (status === 401) vendor.keys.rejected(key)
    else if (status === 429)
      vendor.keys.limited(
        key,
        retryAfterMs((name) => headerValue(this.#headers, name)),
      )
  }

  #startHeadTimer(): void {
    this.#headTimer = setTimeout(() => this.#headTimeout(), this.#options.headMs)
  }

  #headTimeout(): void {
    const { exchange } = this.#options
    const message = exchange.reached
      ? 'The vendor did not answer in time.'
      : 'No connection to the vendor came about in time.'
    this.#abort(new FerryError('upstream_timeout', message))
  }

  #giveUp(outcome: Outcome): void {
    if (this.#over) return
    const { exchange } = this.#options
    exchange.outcome ??= outcome
    if (outcome === 'drained') {
      this.#abort(new FerryError('draining', 'The relay stops.'))
      return
    }
    this.#finish()
    this.#reason = new Gone()
    this.#controller?.abort(this.#reason)
    if (outcome === 'client_stalled') this.#output.breakOff(undefined, undefined)
  }

  #abort(error: FerryError): void {
    this.#reason = error
    if (this.#controller === undefined) this.#fail(error)
    else this.#controller.abort(error)
  }

  /** Our error instead of the vendor's answer, whose rest is not read. */
  #refuse(error: FerryError): void {
    this.#finish()
    this.#output.refuse(error)
    this.#reason = new Gone()
    this.#controller?.abort(this.#reason)
  }

  #fail(error: FerryError): void {
    const { exchange, vendor } = this.#options
    this.#finish()
    if (this.#status === 0 || !this.#output.hasHead) {
      this.#output.refuse(error)
      return
    }
    exchange.outcome ??= 'upstream_truncated'
    exchange.errorCode = error.code
    this.#output.breakOff(this.#errorEvent(vendor, error), error)
  }

  /** The vendor's own error event, where the answer is a stream of plain events. */
  #errorEvent({ dialect }: Vendor, error: FerryError): ((tail: string) => string) | undefined {
    if (!this.#takesEvents) return undefined
    const { exchange } = this.#options
    const { operation } = exchange
    return (tail) => dialect.errorEvent(wireError(exchange, error), { operation, sequence: nextSequence(tail) })
  }

  #finish(): void {
    this.#over = true
    clearTimeout(this.#headTimer)
    this.#options.exchange.abort = undefined
    this.#options.exchange.reservation?.release()
  }
}

const NO_SOURCE = { pause() {}, resume() {} }

// Errors of sockets; anything else before the head is the vendor's failure to speak HTTP, or ours to reach it.
const isReset = (error: unknown): boolean =>
  ['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE'].includes((error as { code?: string }).code ?? '')
