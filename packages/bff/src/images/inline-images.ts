import { type ChatRequest, FerryError } from '@llm-ferry/sdk'
import {
  type FetchedImage,
  type FetchOptions,
  fetchImage,
  type ImageNetwork,
  ImageRefusal,
  INTERNET,
} from './fetch-image.ts'
import type { AllowedHost } from './hosts.ts'

/** Bounds of what is fetched for one call, and for all at once. */
const MAX_BYTES = 10 * 1024 * 1024
const TIMEOUT_MS = 5_000
const MAX_IMAGES = 16
const MAX_CALLS = 16

export interface ImagesOptions {
  /** Hosts that may be fetched from. Empty: nothing is fetched. */
  readonly allowed: readonly AllowedHost[]
  readonly network?: ImageNetwork | undefined
  /** Told of each image: fetched or not. */
  readonly onFetch?: (result: 'fetched' | 'refused') => void
}

/** An image of a request, at an address. */
interface Place {
  readonly message: number
  readonly part: number
  readonly url: string
}

/** Puts images in place of their addresses, for vendors that fetch none themselves. */
export class InlineImages {
  readonly #options: ImagesOptions
  #calls = 0

  constructor(options: ImagesOptions) {
    this.#options = options
  }

  /**
   * The request with the bytes of those images whose address the vendor does not take; the same request where there is
   * none, or where fetching is not configured.
   *
   * @throws {FerryError} 400 naming the image that is not fetched.
   */
  async inline(
    request: ChatRequest,
    needsBytes: ((url: string) => boolean) | undefined,
    left: AbortSignal,
  ): Promise<ChatRequest> {
    if (needsBytes === undefined || this.#options.allowed.length === 0) return request
    const places = imagesOf(request).filter(({ url }) => needsBytes(url))
    if (places.length === 0) return request
    const beyond = places[MAX_IMAGES]
    if (beyond) throw refusal(beyond, `is one image too many: at most ${MAX_IMAGES} are fetched for a call`)
    if (this.#calls >= MAX_CALLS)
      throw new FerryError('overloaded', 'Too many images are being fetched at the moment', { retryAfterMs: 1000 })
    this.#calls++
    try {
      return replaced(request, await this.#fetchAll(places, left))
    } finally {
      this.#calls--
    }
  }

  /** One after the other, so that the bound holds for all of them together. */
  async #fetchAll(places: readonly Place[], left: AbortSignal): Promise<Map<string, FetchedImage>> {
    const { allowed, network = INTERNET, onFetch = () => {} } = this.#options
    const signal = AbortSignal.any([left, AbortSignal.timeout(TIMEOUT_MS)])
    const fetched = new Map<string, FetchedImage>()
    let room = MAX_BYTES
    for (const place of places) {
      if (fetched.has(place.url)) continue
      const image = await fetchAt(place, { allowed, network, signal, maxBytes: room }, left).catch((error: unknown) => {
        onFetch('refused')
        throw error
      })
      onFetch('fetched')
      room -= image.bytes.length
      fetched.set(place.url, image)
    }
    return fetched
  }
}

async function fetchAt(place: Place, options: FetchOptions, left: AbortSignal): Promise<FetchedImage> {
  try {
    return await fetchImage(place.url, options)
  } catch (error) {
    if (left.aborted) throw left.reason
    if (error instanceof ImageRefusal) throw refusal(place, error.message)
    throw refusal(place, `was not there within ${TIMEOUT_MS} ms`)
  }
}

function refusal({ message, part }: Place, why: string): FerryError {
  const param = `messages[${message}].content[${part}].image_url.url`
  return new FerryError('invalid_request', `\`${param}\` ${why}; send the bytes as a data: URL.`, { param })
}

function imagesOf({ messages }: ChatRequest): Place[] {
  return messages.flatMap(({ content }, message) =>
    Array.isArray(content)
      ? content.flatMap((each, part) => (each.type === 'image_url' ? [{ message, part, url: each.image_url.url }] : []))
      : [],
  )
}

function replaced(request: ChatRequest, images: ReadonlyMap<string, FetchedImage>): ChatRequest {
  const messages = request.messages.map((message) => {
    if (!Array.isArray(message.content)) return message
    const content = message.content.map((part) => {
      const image = part.type === 'image_url' ? images.get(part.image_url.url) : undefined
      if (image === undefined || part.type !== 'image_url') return part
      const url = `data:${image.type};base64,${image.bytes.toString('base64')}`
      return { ...part, image_url: { ...part.image_url, url } }
    })
    return { ...message, content }
  })
  return { ...request, messages: messages as ChatRequest['messages'] }
}
