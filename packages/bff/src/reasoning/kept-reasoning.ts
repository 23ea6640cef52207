import { createHash } from 'node:crypto'
import type { ChatMessage, ChatRequest, ReasoningDetail } from '@llm-ferry/sdk'
import { type Store, StoreUnavailable } from '../store/store.ts'
import { Cipher } from './cipher.ts'

/** A turn that called tools, and how the model came to it. */
export interface Turn {
  readonly reasoning_details?: readonly ReasoningDetail[] | undefined
  readonly tool_calls?: readonly { readonly id: string }[] | undefined
}

export interface KeptReasoningOptions {
  readonly store: Store
  /** Secret of a key, which its blocks are sealed with; `undefined`: nothing is kept for it. */
  readonly secretOf: (key: string) => string | undefined
}

/** How long a client may take for its tools, in ms. */
const KEPT_MS = 3_600_000
/** Blocks of one turn that are longer are not kept. */
const MAX_BYTES = 65_536
/** Turns kept for one key: later ones take the places of earlier ones by chance. */
const PLACES = 2_048
/** Turns of a conversation that are looked up, from its end. */
const MAX_TURNS = 16

/**
 * Keeps the reasoning of turns that called tools, for clients that do not send it back: vendors refuse the next turn
 * without it, or think less well. Sealed with the key's own secret, so that whoever reads the store reads none of it.
 *
 * It is a kindness: a store that is away, or a turn whose place was taken, leaves the call as its client sent it.
 */
export class KeptReasoning {
  readonly #store: Store
  readonly #secretOf: KeptReasoningOptions['secretOf']
  readonly #ciphers = new Map<string, { readonly secret: string; readonly cipher: Cipher }>()

  constructor({ store, secretOf }: KeptReasoningOptions) {
    this.#store = store
    this.#secretOf = secretOf
  }

  /** Keeps what a turn’s client may drop. */
  async keep(key: string, { reasoning_details: details, tool_calls: calls }: Turn): Promise<void> {
    const cipher = this.#cipher(key)
    const id = calls?.[0]?.id
    if (!cipher || !id || !details?.length) return
    const sealed = cipher.seal(JSON.stringify(details), id)
    if (sealed.length > MAX_BYTES) return
    await kindly(this.#store.set(placeOf(key, id), sealed, { ttlMs: KEPT_MS }))
  }

  /** The request with the reasoning that its turns came without. The same one when there is none. */
  async restore(key: string, request: ChatRequest): Promise<ChatRequest> {
    const cipher = this.#cipher(key)
    const bare = request.messages.filter(isBare).slice(-MAX_TURNS)
    if (!cipher || bare.length === 0) return request
    const found = new Map<ChatMessage, ReasoningDetail[]>()
    await Promise.all(
      bare.map(async (message) => {
        const details = await this.#find(key, cipher, message.tool_calls?.[0]?.id ?? '')
        if (details) found.set(message, details)
      }),
    )
    if (found.size === 0) return request
    const messages = request.messages.map((message) => {
      const reasoning_details = found.get(message)
      return reasoning_details ? ({ ...message, reasoning_details } as ChatMessage) : message
    })
    return { ...request, messages }
  }

  async #find(key: string, cipher: Cipher, id: string): Promise<ReasoningDetail[] | undefined> {
    const sealed = await kindly(this.#store.get(placeOf(key, id)))
    const text = sealed && cipher.open(sealed, id)
    return text === undefined ? undefined : (JSON.parse(text) as ReasoningDetail[])
  }

  #cipher(key: string): Cipher | undefined {
    const secret = this.#secretOf(key)
    if (secret === undefined) {
      this.#ciphers.delete(key)
      return undefined
    }
    const known = this.#ciphers.get(key)
    if (known?.secret === secret) return known.cipher
    const cipher = new Cipher(secret)
    this.#ciphers.set(key, { secret, cipher })
    return cipher
  }
}

type AssistantMessage = Extract<ChatMessage, { role: 'assistant' }>

/** A turn that called tools and says nothing of how it came to that. */
function isBare(message: ChatMessage): message is AssistantMessage {
  return message.role === 'assistant' && Boolean(message.tool_calls?.length) && !message.reasoning_details?.length
}

/** Few enough places that no client can fill a store with turns. */
function placeOf(key: string, id: string): string {
  const place = createHash('sha256').update(id).digest().readUInt32BE(0) % PLACES
  return `ferry:reasoning:${key}:${place}`
}

async function kindly<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (error instanceof StoreUnavailable) return undefined
    throw error
  }
}
