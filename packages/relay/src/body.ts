import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { FerryError } from '@llm-ferry/sdk'

/** How a request's body travels: not at all, gathered first, or passed on as it comes. */
export type BodyMode = 'none' | 'buffered' | 'streamed'

/** What bodies may be, and how long they may take. */
export interface BodyRules {
  readonly maxBytes: number
  /** Longest silence between two pieces. */
  readonly idleMs: number
  /** Longest time from the head to the last byte. */
  readonly totalMs: number
}

/** How the body of this request travels: text is gathered, files are streamed. */
export function bodyMode(request: IncomingMessage, operation: string): BodyMode {
  const { headers } = request
  if (headers['transfer-encoding'] === undefined && !(declaredLength(request) ?? 0)) return 'none'
  // Gemini's resumable chunks say application/json and are anything but.
  if (operation.startsWith('upload/')) return 'streamed'
  const type = headers['content-type']
  return type === undefined || /json|^text\/|x-www-form-urlencoded/i.test(type) ? 'buffered' : 'streamed'
}

/** Content-Length as a number; undefined when the body is chunked or absent. */
export function declaredLength({ headers }: IncomingMessage): number | undefined {
  const text = headers['content-length']
  return text === undefined ? undefined : Number(text)
}

/** Throws when a body is already known to be too large, or framed in a way that hides where it ends. */
export function checkDeclared(request: IncomingMessage, maxBytes: number): void {
  const coding = request.headers['transfer-encoding']
  // Anything but plain chunked would have to be decoded before it can be passed on (RFC 9112, 6.1).
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    throw new FerryError('invalid_request', `The transfer coding "${coding.slice(0, 40)}" is not understood.`)
  }
  if ((declaredLength(request) ?? 0) > maxBytes) throw tooLarge(maxBytes)
}

const tooLarge = (maxBytes: number): FerryError =>
  new FerryError('request_too_large', `The request body is larger than the limit of ${maxBytes} bytes.`)

const vendorStopped = (): FerryError =>
  new FerryError('upstream_timeout', 'The vendor stopped reading the request body.')

const tooSlow = (): FerryError => new FerryError('request_timeout', 'The request body did not arrive in time.')

/** Bytes of bodies that may be held at once, over all requests. */
export class BodyBudget {
  readonly #max: number
  #held = 0

  constructor(max: number) {
    this.#max = max
  }

  get held(): number {
    return this.#held
  }

  /** Reserves bytes, or throws when there is no room. */
  take(bytes: number): void {
    if (this.#held + bytes > this.#max) {
      throw new FerryError('overloaded', 'The relay holds as many request bodies as it may. Try again soon.', {
        retryAfterMs: 1000,
      })
    }
    this.#held += bytes
  }

  give(bytes: number): void {
    this.#held -= bytes
  }
}

/** Room that one request holds of the budget. */
export interface Reservation {
  /** Gives everything back; again is harmless. */
  release(): void
}

/** Who gets a gathered body. Exactly one of the two is called, or none when the caller leaves. */
export interface BodyReceiver {
  body(bytes: Buffer): void
  fault(error: FerryError): void
}

/**
 * Gathers a body and hands it over with its last byte, without waiting for the turn in which the request ends.
 *
 * @throws {FerryError} `overloaded` when the budget has no room for the declared length.
 */
export function gatherBody(
  request: IncomingMessage,
  rules: BodyRules,
  budget: BodyBudget,
  receiver: BodyReceiver,
): Reservation {
  const gathering = new Gathering(request, rules, budget, receiver)
  gathering.start()
  return gathering
}

class Gathering implements Reservation {
  readonly #request: IncomingMessage
  readonly #rules: BodyRules
  readonly #budget: BodyBudget
  readonly #receiver: BodyReceiver
  readonly #declared: number | undefined
  readonly #startedAt = Date.now()
  #timer: NodeJS.Timeout | undefined
  #pieces: Buffer[] = []
  #bytes = 0
  #reserved = 0
  #done = false

  constructor(request: IncomingMessage, rules: BodyRules, budget: BodyBudget, receiver: BodyReceiver) {
    this.#request = request
    this.#rules = rules
    this.#budget = budget
    this.#receiver = receiver
    this.#declared = declaredLength(request)
  }

  start(): void {
    this.#reserve(this.#declared ?? 0)
    this.#timer = setTimeout(() => this.#fail(tooSlow()), this.#rules.idleMs)
    this.#request.on('data', (piece: Buffer) => this.#add(piece))
    if (this.#declared === undefined) this.#request.on('end', () => this.#finish())
  }

  release(): void {
    this.#stop()
    this.#budget.give(this.#reserved)
    this.#reserved = 0
  }

  #add(piece: Buffer): void {
    if (this.#done) return
    this.#pieces.push(piece)
    this.#bytes += piece.length
    if (this.#bytes === this.#declared) {
      this.#finish()
      return
    }
    if (Date.now() - this.#startedAt > this.#rules.totalMs) this.#fail(tooSlow())
    else if (this.#bytes > this.#rules.maxBytes) this.#fail(tooLarge(this.#rules.maxBytes))
    else this.#grow()
  }

  #grow(): void {
    this.#timer?.refresh()
    try {
      this.#reserve(this.#bytes - this.#reserved)
    } catch (error) {
      this.#fail(error as FerryError)
    }
  }

  #reserve(bytes: number): void {
    if (bytes <= 0) return
    this.#budget.take(bytes)
    this.#reserved += bytes
  }

  #finish(): void {
    if (this.#done) return
    const [first] = this.#pieces
    const body = this.#pieces.length === 1 && first !== undefined ? first : Buffer.concat(this.#pieces, this.#bytes)
    this.#stop()
    this.#receiver.body(body)
  }

  #fail(error: FerryError): void {
    if (this.#done) return
    this.#stop()
    this.#receiver.fault(error)
  }

  #stop(): void {
    this.#done = true
    this.#pieces = []
    clearTimeout(this.#timer)
  }
}

/**
 * The body as a stream that ends in an error when it grows past its limit, stalls, or takes too long. The vendor's
 * connection is destroyed with it, so a body that was cut never looks whole.
 */
export function streamBody(request: IncomingMessage, rules: BodyRules, onBytes: (bytes: number) => void): Readable {
  const deadline = Date.now() + rules.totalMs
  let bytes = 0
  const body = new Readable({
    read: () => request.resume(),
    destroy: (error, done) => {
      clearTimeout(timer)
      request.off('data', onData)
      done(error)
    },
  })
  const timer = setTimeout(() => {
    body.destroy(request.isPaused() ? vendorStopped() : tooSlow())
  }, rules.idleMs)
  const onData = (piece: Buffer): void => {
    bytes += piece.length
    onBytes(piece.length)
    timer.refresh()
    if (bytes > rules.maxBytes) body.destroy(tooLarge(rules.maxBytes))
    else if (Date.now() > deadline) body.destroy(tooSlow())
    else if (!body.push(piece)) request.pause()
  }
  request.on('data', onData)
  request.once('end', () => body.destroyed || body.push(null))
  request.once('close', () => {
    if (!request.complete) body.destroy(new FerryError('client_closed', 'The caller left before its body ended.'))
  })
  return body
}
