import { setTimeout as sleep } from 'node:timers/promises'
import { FerryError } from '../errors.ts'
import { type ErrorCode, isErrorCode } from '../schema/errors.ts'
import { HEADERS } from '../schema/headers.ts'
import type { Address } from './address.ts'
import { errorAnswer, headerOf, type LinkAnswer, lostAnswer, lostError, unreachableAnswer } from './answers.ts'
import { ByteQueue } from './byte-queue.ts'
import { endExchange, ownerHeaders } from './cancel.ts'
import { Carrier, type CarrierEnd } from './carrier.ts'
import type { ConnectionPool } from './connection-pool.ts'
import type { Conversations } from './conversations.ts'
import { newExchangeId } from './exchange-id.ts'
import type { LinkSettings } from './options.ts'
import type { RelayPool } from './pool.ts'
import type { Relay } from './relay.ts'
import { RequestBody } from './request-body.ts'
import { SilenceWatch, uploadMs } from './silence.ts'
import { type Frame, FrameError, LINK_HEADERS, understoodPackings } from './wire/index.ts'

/** A request to a vendor, to be carried over the link. */
export interface LinkRequest {
  /** Path and query below the relay's base URL: `/proxy/openai/v1/chat/completions`. */
  readonly path: string
  readonly method: string
  /** Names and values alternating, the relay token where the vendor's SDK puts its key. */
  readonly headers: readonly string[]
  readonly body: Buffer
  /** What a proxy in front of several relay processes hashes. Default: something new, which spreads requests evenly. */
  readonly affinity?: string | undefined
  /** Whose request it is, beyond the relay token. */
  readonly scope?: string | undefined
  /** Ends it: the vendor's call is cancelled. */
  readonly signal?: AbortSignal | undefined
  /** Goes on with this exchange, from its first byte; where no relay process has seen it, it begins there. */
  readonly takeover?: ExchangeRef | undefined
  /**
   * Told of the exchange before a relay is, and again when it gets another id or relay. What it throws ends the request,
   * and leaves the exchange alone. The exchange then stays at its relay until {@link Link.end}, or the relay's grace is over.
   */
  readonly onExchange?: ((exchange: ExchangeRef) => Promise<void>) | undefined
}

/** An exchange as another process may go on with it. */
export interface ExchangeRef {
  readonly id: string
  /** Host of the relay that has it. */
  readonly relay: string
}

/** A body up to this size goes along when it is not known whether it arrived before. */
const SMALL_BODY_BYTES = 16_384
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5000
/** The longest pause while the relay answers, and only its answers are cut. */
const LONGEST_PAUSE_IN_CONTACT_MS = 500
/** How often all relays are tried before a request that has reached none is given up. */
const ROUNDS = 3
/** How many carriers may bring what is no frame: the first is tried again without packing, in case that was at fault. */
const MAX_FAULTS = 3

/** What a relay, or the proxy in front of it, says of a request that another relay may take. */
const REFUSED_HERE: ReadonlySet<ErrorCode> = new Set([
  'draining',
  'overloaded',
  'upstream_unreachable',
  'client_certificate_refused',
])
/** What a proxy in front says when its relay has gone. A relay tells of its vendor in frames, so it is not meant. */
const LOST_BEHIND_PROXY: ReadonlySet<ErrorCode> = new Set(['upstream_truncated', 'upstream_timeout'])
/** What a relay says that does not have the body which a request builds on, or another one in its place. */
const MISSES: ReadonlySet<ErrorCode> = new Set(['not_found', 'invalid_request', 'unsupported_media_type'])

type End = CarrierEnd & { kind: 'answered' }
type Broken = CarrierEnd & { kind: 'closed' }

/** One request and its one answer, over as many carriers as it takes. */
export class DurableCall {
  readonly answer: Promise<LinkAnswer>
  readonly #request: LinkRequest
  readonly #settings: LinkSettings
  readonly #pool: RelayPool
  readonly #queue: ByteQueue
  readonly #body: RequestBody
  #resolve: (answer: LinkAnswer) => void = () => {}
  #reject: (reason: unknown) => void = () => {}
  readonly #startedAt = performance.now()
  #relay: Relay
  /** Where the last carrier went, and over which of its connections. */
  #address: Address | undefined
  #connections: ConnectionPool | undefined
  /** Where it broke. */
  #brokenAddress: Address | undefined
  /** Addresses of this relay that could not be connected. */
  #addressesTried = 0
  #carriers = 0
  #resumedBytes = 0
  #wasSilent = false
  #tried = new Set<Relay>()
  #round = 1
  #id: string
  #carrier: Carrier | undefined
  #silence: SilenceWatch | undefined
  #offset = 0
  #hasHead = false
  /** The relay has said that it holds the exchange. */
  #isClaimed = false
  /** It may hold it: a carrier broke after it had brought the whole request. */
  #isDoubtful = false
  /** The body goes along only where the relay has asked for it. */
  #mustAsk = false
  /** It has said that it does not hold it, and waits for the body. */
  #isWanted = false
  #lastContact = performance.now()
  /** The last carrier was accepted. */
  #isInContact = false
  /** Carriers in a row that brought neither head nor bytes. */
  #vain = 0
  #wasSent = false
  /** Carriers whose bytes were no frames. */
  #faults = 0
  #announced: ExchangeRef | undefined
  /** Our reader has more than it reads. */
  #isPaused = false
  #isComplete = false
  #isOver = false
  readonly #onAbort = (): void => this.#leave(this.#request.signal?.reason)

  constructor(request: LinkRequest, settings: LinkSettings, pool: RelayPool, conversations: Conversations) {
    this.#request = request
    this.#settings = settings
    this.#pool = pool
    this.#body = new RequestBody(request, settings.compression, conversations)
    this.#id = request.takeover?.id ?? newExchangeId(request.affinity)
    this.#relay = pool.at(request.takeover?.relay) ?? pool.preferred
    // Whoever began it may have brought it: it is asked for with an offset.
    this.#isDoubtful = request.takeover !== undefined
    this.#wasSent = this.#isDoubtful
    this.#relay.exchangeOpened()
    this.#relay.meter.counters.rawBytesUp += request.body.length
    this.#queue = new ByteQueue({
      pause: () => this.#pause(),
      resume: () => this.#unpause(),
      cancel: () => this.#leave(undefined),
    })
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    request.signal?.addEventListener('abort', this.#onAbort, { once: true })
    if (request.signal?.aborted) this.#leave(request.signal.reason)
    else this.#begin().catch((error) => this.#fail(unforeseen(error)))
  }

  async #begin(): Promise<void> {
    await this.#body.prepare(this.#relay)
    this.#id = this.#request.takeover?.id ?? newExchangeId(this.#body.affinity)
    if (this.#body.isDifference) this.#relay.meter.counters.differences++
    await this.#run()
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      this.#vain++
      this.#isInContact = false
      await this.#announce()
      if (this.#isOver) return
      await this.#body.prepare(this.#relay)
      if (this.#isOver) return
      const end = await this.#carry()
      // Only now, when the connection is free to bring it.
      if (this.#isComplete && this.#request.onExchange === undefined) void this.#end(1)
      if (this.#isOver) return
      if (end.kind === 'answered') await this.#answered(end)
      else this.#closed(end)
      if (!this.#isOver) await this.#pauseBeforeNext()
    }
  }

  /** Tells of the exchange's id and relay, where they are new. */
  async #announce(): Promise<void> {
    const exchange = { id: this.#id, relay: this.#relay.name }
    const isKnown = this.#announced?.id === exchange.id && this.#announced.relay === exchange.relay
    if (isKnown || this.#request.onExchange === undefined) return
    this.#announced = exchange
    try {
      await this.#request.onExchange(exchange)
    } catch (error) {
      this.#finish('failed')
      this.#reject(error)
    }
  }

  /** Sends one carrier and waits for its end. */
  #carry(): Promise<CarrierEnd> {
    const { method, path } = this.#request
    const body = this.#body.bytes
    const relay = this.#relay
    const address = relay.address(this.#brokenAddress)
    const over = address.use()
    const vainBefore = this.#vain - 1
    const { dispatcher } = address
    this.#address = address
    this.#connections = dispatcher
    this.#carriers++
    this.#wasSilent = false
    relay.meter.counters.carriers++
    const mayRepeat = body.length <= SMALL_BODY_BYTES && !this.#mustAsk
    const sends = !this.#isClaimed && (!this.#isDoubtful || this.#isWanted || mayRepeat)
    let sentAt = 0
    return new Promise((resolve) => {
      const silence = new SilenceWatch(() => {
        this.#wasSilent = true
        this.#carrier?.close(new Error('the connection is silent'))
      })
      const request = {
        origin: address.url.origin,
        path: address.pathOf(path),
        method,
        headers: [...this.#headers(), ...(sends ? this.#body.headers : [])],
        body: sends && body.length > 0 ? body : undefined,
      }
      this.#silence = silence
      if (this.#isPaused) silence.pause()
      this.#carrier = new Carrier(dispatcher, request, {
        onSent: () => {
          sentAt = performance.now()
          this.#wasSent = true
          silence.allow(relay.roundTrips.firstSignMs(vainBefore) + (sends ? uploadMs(body.length, vainBefore) : 0))
        },
        onContact: () => silence.heard(),
        onAccepted: (heartbeatMs, isKept) => {
          if (isKept) this.#body.kept()
          this.#isClaimed = true
          address.succeeded()
          this.#isInContact = true
          this.#lastContact = performance.now()
          if (!sends || body.length <= SMALL_BODY_BYTES) relay.roundTrips.add(performance.now() - sentAt)
          silence.allow(heartbeatMs + relay.roundTrips.slackMs)
        },
        onFrames: (frames) => {
          this.#lastContact = performance.now()
          for (const frame of frames) this.#take(frame)
        },
        onOver: (end) => {
          silence.stop()
          over()
          resolve(end)
        },
      })
      if (this.#isPaused) this.#carrier.pause()
    })
  }

  #headers(): string[] {
    const { headers } = this.#request
    const link = [LINK_HEADERS.exchange, this.#id, LINK_HEADERS.digest, this.#body.digest, LINK_HEADERS.frames, '1']
    const isResume = this.#isClaimed || this.#isDoubtful
    const offset = isResume ? [LINK_HEADERS.offset, String(this.#offset)] : []
    return [...headers, ...this.#scope, ...link, ...this.#packings, ...offset]
  }

  get #packings(): readonly string[] {
    const packings = this.#settings.compression.answers && this.#faults === 0 ? understoodPackings() : undefined
    return packings === undefined ? [] : [LINK_HEADERS.pack, packings]
  }

  get #scope(): readonly string[] {
    const { scope } = this.#request
    return scope === undefined ? [] : [LINK_HEADERS.scope, scope]
  }

  #take(frame: Frame): void {
    if (this.#isOver || frame.type === 'heartbeat') return
    if (frame.type === 'abort') {
      this.#fail(new FerryError(frame.abort.code, frame.abort.message))
      return
    }
    if (frame.type === 'end') {
      this.#complete(frame.end.bytes)
      return
    }
    if (frame.type === 'head') {
      if (frame.head.offset !== this.#offset) this.#carrier?.close(new Error('the answer begins at another byte'))
      else this.#takeHead(frame.head)
      return
    }
    this.#vain = 0
    this.#offset += frame.bytes.length
    if (this.#carriers > 1) this.#resumedBytes += frame.bytes.length
    this.#queue.push(frame.bytes)
  }

  #takeHead(head: { status: number; reason: string; headers: readonly string[] }): void {
    if (this.#hasHead) return
    this.#vain = 0
    this.#hasHead = true
    this.#resolve({ ...head, body: this.#queue, relay: this.#relay.name })
  }

  #complete(bytes: number): void {
    if (!this.#hasHead || bytes !== this.#offset) {
      this.#fail(new FerryError('upstream_invalid', `The answer has ${this.#offset} bytes of ${bytes}.`))
      return
    }
    this.#isComplete = true
    this.#finish('complete')
    this.#queue.end()
  }

  /** An answer without frames: the relay refuses, or something in front of it speaks. */
  async #answered({ status, headers, body }: End): Promise<void> {
    const code = headerOf(headers, HEADERS.error)
    const wasReached = headerOf(headers, HEADERS.reached) !== 'no'
    if (code === undefined || !isErrorCode(code)) {
      this.#foreign(status)
      return
    }
    if (this.#body.isDifference && !this.#isClaimed && !wasReached && MISSES.has(code)) {
      this.#relay.meter.counters.differenceMisses++
      await this.#body.missed()
      this.#isWanted = this.#isDoubtful
      return
    }
    if (code === 'not_found' && !wasReached && this.#isDoubtful && !this.#isClaimed) {
      this.#isWanted = true
      return
    }
    // A proxy in front has lost its relay: what became of the exchange only a relay can say.
    if (wasReached ? LOST_BEHIND_PROXY.has(code) : code === 'upstream_unreachable' && this.#mayLive) {
      this.#closed({ kind: 'closed', error: undefined, wasSent: wasReached })
      return
    }
    if (code === 'client_certificate_refused') this.#relay.meter.counters.certificateRefusals++
    if (!wasReached && REFUSED_HERE.has(code) && (await this.#mayMove())) {
      this.#relay.refused()
      if (this.#move()) return
    }
    if (code === 'exchange_lost') this.#relay.meter.counters.lost++
    if (this.#hasHead) this.#fail(new FerryError(code, `The relay answered ${status} to a resume.`))
    else this.#settle({ status, reason: '', headers, body: once(body), relay: this.#relay.name })
  }

  /** An answer of a proxy in front of the relay, or of a hop that knows nothing of the link. */
  #foreign(status: number): void {
    // Whoever does not know the link would take a body for a new request.
    this.#mustAsk = true
    if (status >= 500) this.#closed({ kind: 'closed', error: undefined, wasSent: true })
    else this.#fail(new FerryError('upstream_invalid', `What answered with ${status} does not speak the border link.`))
  }

  get #mayLive(): boolean {
    return this.#isClaimed || this.#isDoubtful
  }

  /** Whether the vendor has certainly not seen the request, and will not. */
  async #mayMove(): Promise<boolean> {
    if (this.#isClaimed) return false
    if (!this.#isDoubtful) return true
    if ((await this.#end(1)) !== 'unstarted') return false
    this.#id = newExchangeId(this.#body.affinity)
    this.#isDoubtful = false
    this.#isWanted = false
    return true
  }

  /** Takes the next relay, all of them in turn for some rounds; false when none is left. */
  #move(): boolean {
    this.#tried.add(this.#relay)
    let next = this.#pool.after(this.#tried)
    if (next === undefined && this.#round < ROUNDS) {
      this.#round++
      this.#tried.clear()
      next = this.#pool.after(this.#tried)
    }
    if (next === undefined) return false
    if (next !== this.#relay) {
      this.#relay.meter.failedOver(next.name)
      this.#relay.exchangeClosed()
      next.exchangeOpened()
    }
    this.#brokenAddress = undefined
    this.#addressesTried = 0
    this.#relay = next
    return true
  }

  #closed({ error, wasSent }: Broken): void {
    if (error instanceof FrameError && ++this.#faults === MAX_FAULTS) {
      this.#fail(new FerryError('upstream_invalid', 'What the relay sends is no answer in frames.', { cause: error }))
      return
    }
    if (wasSent) this.#isDoubtful = true
    this.#brokenAddress = this.#address
    if (this.#vain > 0) this.#address?.failed(this.#connections)
    else if (this.#address !== undefined) this.#relay.broke(this.#address)
    if (!this.#isClaimed && !this.#isDoubtful) {
      // Its other addresses first: there is one for each of them, however often they come and go.
      if (this.#relay.isWell && ++this.#addressesTried < this.#relay.addressCount) return
      if (!this.#move()) this.#settle(unreachableAnswer(this.#request.path))
      return
    }
    if (performance.now() - this.#lastContact < this.#settings.graceMs) {
      const address = this.#address?.url.host ?? ''
      this.#relay.meter.reconnecting({ address, isStall: this.#wasSilent, offset: this.#offset })
      return
    }
    this.#relay.meter.counters.lost++
    if (this.#hasHead) this.#fail(lostError())
    else this.#settle(lostAnswer(this.#request.path))
  }

  async #pauseBeforeNext(): Promise<void> {
    if (this.#vain <= 1) return
    const longestMs = this.#isInContact ? LONGEST_PAUSE_IN_CONTACT_MS : LONGEST_PAUSE_MS
    const pauseMs = Math.min(longestMs, FIRST_PAUSE_MS * 2 ** Math.min(this.#vain - 2, 10))
    await sleep(pauseMs * (0.5 + Math.random() / 2))
  }

  #pause(): void {
    this.#isPaused = true
    this.#silence?.pause()
    this.#carrier?.pause()
  }

  #unpause(): void {
    this.#isPaused = false
    this.#silence?.resume()
    this.#carrier?.resume()
  }

  /** The caller wants no more. */
  #leave(reason: unknown): void {
    if (this.#isOver) return
    this.#finish('left')
    this.#carrier?.close(new Error('the caller left'))
    this.#reject(reason)
    this.#queue.end(reason)
    if (this.#wasSent) void this.#end()
  }

  #fail(error: FerryError): void {
    this.#finish('failed')
    this.#carrier?.close(error)
    if (this.#hasHead) this.#queue.end(error)
    else this.#resolve(errorAnswer(error.code, error.message, this.#request.path, true))
    // Whoever took the answer over goes on to read it.
    if (error.code !== 'conflict') void this.#end()
  }

  #settle(answer: LinkAnswer): void {
    this.#finish('failed')
    this.#resolve(answer)
  }

  #finish(outcome: 'complete' | 'failed' | 'left'): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#relay.exchangeClosed()
    this.#relay.meter.exchangeOver({
      outcome,
      carriers: this.#carriers,
      answerBytes: this.#offset,
      resumedBytes: this.#resumedBytes,
      durationMs: performance.now() - this.#startedAt,
    })
    this.#request.signal?.removeEventListener('abort', this.#onAbort)
  }

  #end(tries?: number): Promise<'ended' | 'unstarted' | 'unknown'> {
    return endExchange(this.#relay, this.#id, ownerHeaders(this.#request.headers, this.#scope), tries)
  }
}

const unforeseen = (cause: unknown): FerryError =>
  new FerryError('internal_error', 'The request could not be carried over the link.', { cause })

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
