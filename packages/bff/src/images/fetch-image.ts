import { lookup } from 'node:dns/promises'
import type { LookupFunction } from 'node:net'
import { Client } from 'undici'
import { type AllowedHost, isAllowed } from './hosts.ts'
import { imageType } from './image-type.ts'
import { isPublicAddress } from './public-address.ts'

/** Why an address is not fetched, as the end of a sentence that begins with the field. */
export class ImageRefusal extends Error {
  override readonly name = 'ImageRefusal'
}

/** The network that images come from. */
export interface ImageNetwork {
  /** Addresses of a host. */
  readonly resolve: (hostname: string) => Promise<readonly string[]>
  /** Whether an address may be connected to. */
  readonly isPublic: (address: string) => boolean
  /** Certificate that servers are trusted by, besides those of the system. */
  readonly ca?: string | undefined
}

/** The internet, and nothing inside. */
export const INTERNET: ImageNetwork = {
  resolve: async (hostname) => (await lookup(hostname, { all: true })).map(({ address }) => address),
  isPublic: isPublicAddress,
}

/** An image that was fetched. */
export interface FetchedImage {
  readonly type: string
  readonly bytes: Buffer
}

export interface FetchOptions {
  readonly allowed: readonly AllowedHost[]
  readonly network: ImageNetwork
  /** Most bytes that the body may have on the wire. */
  readonly maxBytes: number
  /** Ends the work. */
  readonly signal: AbortSignal
}

/**
 * Fetches an image whose address a caller named: over https, from a host of the allow list, at a public address that is
 * looked up once and then connected to, without following redirects and without any of the caller's headers.
 *
 * @throws {ImageRefusal}
 */
export async function fetchImage(address: string, options: FetchOptions): Promise<FetchedImage> {
  const url = checkedUrl(address, options.allowed)
  const pinned = await pinnedAddress(url.hostname, options)
  const client = new Client(url.origin, {
    connect: { lookup: always(pinned), ca: options.network.ca },
    maxHeaderSize: 16_384,
  })
  try {
    const headers = { accept: 'image/*', 'accept-encoding': 'identity' }
    const answer = await client.request({
      path: url.pathname + url.search,
      method: 'GET',
      headers,
      signal: options.signal,
    })
    checkHead(answer.statusCode, answer.headers, options.maxBytes)
    const bytes = await readAll(answer.body, options.maxBytes)
    const type = imageType(bytes)
    if (type === undefined) throw new ImageRefusal('leads to something that is no PNG, JPEG, GIF, WebP or HEIC image')
    return { type, bytes }
  } catch (error) {
    if (error instanceof ImageRefusal || options.signal.aborted) throw error
    throw new ImageRefusal('could not be fetched', { cause: error })
  } finally {
    await client.destroy()
  }
}

function checkedUrl(address: string, allowed: readonly AllowedHost[]): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url?.protocol !== 'https:') throw new ImageRefusal('is not https')
  if (url.username || url.password) throw new ImageRefusal('has a user or password in it')
  if (!isAllowed(url, allowed))
    throw new ImageRefusal('is at a host that the operator has not allowed (imageFetch.hosts)')
  return url
}

async function pinnedAddress(hostname: string, { network, signal }: FetchOptions): Promise<string> {
  const addresses = await untilAborted(network.resolve(hostname), signal).catch((error: unknown) => {
    if (signal.aborted) throw error
    throw new ImageRefusal('is at a host that has no address', { cause: error })
  })
  const [first] = addresses
  // One private address among public ones is what an attacker would hope to be connected to.
  if (first === undefined || !addresses.every(network.isPublic))
    throw new ImageRefusal('is at a host whose address is not public')
  return first
}

/** The system's look-up cannot be cancelled. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  return Promise.race([
    work,
    new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
  ])
}

const always =
  (address: string): LookupFunction =>
  (_, options, callback) => {
    const family = address.includes(':') ? 6 : 4
    if (options.all) callback(null, [{ address, family }])
    else callback(null, address, family)
  }

function checkHead(status: number, headers: NodeJS.Dict<string | string[]>, maxBytes: number): void {
  if (status >= 300 && status < 400) throw new ImageRefusal('redirects, which is not followed: send the final address')
  if (status !== 200) throw new ImageRefusal(`was answered with status ${status}`)
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity') throw new ImageRefusal('was answered in an encoding that was not asked for')
  if (Number(headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes)
}

async function readAll(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of body) {
    size += piece.length
    if (size > maxBytes) throw tooLarge(maxBytes)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

const tooLarge = (maxBytes: number): ImageRefusal =>
  new ImageRefusal(`makes the request’s images larger than ${maxBytes} bytes together`)
