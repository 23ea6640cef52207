import { hash } from 'node:crypto'
import { ownerHeaders } from './cancel.ts'
import type { Continuation, Conversations } from './conversations.ts'
import { type EncodedBody, encodeBody, encodeDifference } from './encode-body.ts'
import type { LinkCompression } from './options.ts'
import type { Relay } from './relay.ts'
import { isKeepable, LINK_HEADERS } from './wire/index.ts'

/** What a body needs to know of its request. */
export interface BodyRequest {
  readonly headers: readonly string[]
  readonly body: Buffer
  readonly scope?: string | undefined
  readonly affinity?: string | undefined
}

/** A request's body on its way to a relay: as it is, compressed, or as the difference from one that the relay has. */
export class RequestBody {
  /** SHA-256 of the body as the vendor gets it. */
  readonly digest: string
  readonly #request: BodyRequest
  readonly #compression: LinkCompression
  readonly #conversations: Conversations
  readonly #credential: readonly string[]
  #relay: Relay | undefined
  #continuation: Continuation | undefined
  #encoded: EncodedBody
  #isDifference = false

  constructor(request: BodyRequest, compression: LinkCompression, conversations: Conversations) {
    const { headers, scope, body } = request
    this.#request = request
    this.#compression = compression
    this.#conversations = conversations
    this.#credential = ownerHeaders(headers, scope === undefined ? [] : [LINK_HEADERS.scope, scope])
    this.#encoded = { bytes: body, encoding: undefined }
    this.digest = hash('sha256', body)
  }

  /** Where it should go, for the exchange's id. */
  get affinity(): string | undefined {
    return this.#continuation?.affinity ?? this.#request.affinity
  }

  /** Whether it builds on a body that the relay may have lost meanwhile. */
  get isDifference(): boolean {
    return this.#isDifference
  }

  /** What crosses the link. */
  get bytes(): Buffer {
    return this.#encoded.bytes
  }

  /** Headers that go along with the bytes. */
  get headers(): readonly string[] {
    const { encoding } = this.#encoded
    const base = this.#isDifference ? this.#continuation?.base : undefined
    return [
      ...(encoding === undefined ? [] : [LINK_HEADERS.encoding, encoding]),
      ...(base === undefined ? [] : [LINK_HEADERS.dictionary, base.digest]),
      ...(this.#continuation === undefined ? [] : [LINK_HEADERS.keep, '1']),
    ]
  }

  /** Makes ready what this relay can take. Once for each. */
  async prepare(relay: Relay): Promise<void> {
    if (relay === this.#relay) return
    const isFirst = this.#relay === undefined
    this.#relay = relay
    const { body, affinity } = this.#request
    const { requests, differences } = this.#compression
    if (!requests) return
    if (isFirst && differences && isKeepable(body)) {
      this.#continuation = this.#conversations.continue(this.#owner, body, affinity)
    }
    const base = isFirst ? this.#continuation?.base : undefined
    this.#isDifference = base !== undefined
    this.#encoded = base === undefined ? await encodeBody(body) : await encodeDifference(body, base.bytes)
  }

  /** The relay does not have what it builds on: it crosses whole from now on. */
  async missed(): Promise<void> {
    const { base } = this.#continuation ?? {}
    if (base !== undefined) this.#conversations.forget(this.#owner, base.digest)
    this.#isDifference = false
    this.#encoded = await encodeBody(this.#request.body)
  }

  /** The relay has said that it keeps the body. */
  kept(): void {
    if (this.#continuation === undefined) return
    const { base, affinity } = this.#continuation
    const { body: bytes } = this.#request
    this.#conversations.keep(this.#owner, { digest: this.digest, bytes, base: base?.digest, affinity })
  }

  get #owner(): string {
    return [numberOf(this.#relay), ...this.#credential].join('\0')
  }
}

const numbers = new WeakMap<Relay, number>()
let lastNumber = 0

/** Tells relays apart for as long as they live. */
function numberOf(relay: Relay | undefined): number {
  if (relay === undefined) return 0
  const number = numbers.get(relay) ?? ++lastNumber
  numbers.set(relay, number)
  return number
}
