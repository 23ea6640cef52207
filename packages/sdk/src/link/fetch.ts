import { Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import type { LinkAnswer } from './answers.ts'
import type { LinkRequest } from './call.ts'

/** The `fetch` that the vendors' SDKs call. */
export type LinkFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

/** What the adapter needs of the link. */
export interface FetchOptions {
  /** Base URLs that callers may aim at; each of them means "the link". */
  readonly bases: readonly URL[]
  readonly request: (request: LinkRequest) => Promise<LinkAnswer>
  /** For requests to a relay that `request` cannot carry. */
  readonly plainFetch: typeof fetch
}

const DECODERS = { gzip: createGunzip, deflate: createInflate, br: createBrotliDecompress }

/**
 * A `fetch` whose requests to a relay's base URL are durable. Bodies that are streams or forms go over a plain `fetch`,
 * as do requests to anywhere else.
 */
export function createLinkFetch({ bases, request, plainFetch }: FetchOptions): LinkFetch {
  // Whoever puts this one in the global one's place must not make it call itself.
  const platformFetch = globalThis.fetch
  return async (input, init = {}) => {
    const path = pathBelow(bases, new URL(input instanceof Request ? input.url : input))
    if (path === undefined) return platformFetch(input, init)
    const asked = await heldRequest(path, input, init)
    return asked === undefined ? plainFetch(input, init) : toResponse(await request(asked))
  }
}

/** The request with its body in hand; undefined when that would have to be gathered first. */
async function heldRequest(
  path: string,
  input: string | URL | Request,
  init: RequestInit,
): Promise<LinkRequest | undefined> {
  const given = input instanceof Request ? new Request(input, init) : init
  const body = input instanceof Request ? await textOf(given as Request) : bytesOf(init.body)
  if (body === undefined) return undefined
  const method = (given.method ?? 'GET').toUpperCase()
  return { path, method, headers: headersOf(given.headers), body, signal: given.signal ?? undefined }
}

/** The body of a Request that holds text, or none. */
async function textOf(request: Request): Promise<Buffer | undefined> {
  const type = request.headers.get('content-type') ?? ''
  if (request.body !== null && !/json|^text\//.test(type)) return undefined
  return Buffer.from(await request.clone().arrayBuffer())
}

/** Path and query below the base URL that this one belongs to. */
function pathBelow(bases: readonly URL[], url: URL): string | undefined {
  for (const { origin, pathname } of bases) {
    const prefix = pathname.replace(/\/$/, '')
    if (url.origin === origin && url.pathname.startsWith(`${prefix}/`))
      return url.href.slice(origin.length + prefix.length)
  }
  return undefined
}

function bytesOf(body: RequestInit['body']): Buffer | undefined {
  if (body === undefined || body === null) return Buffer.alloc(0)
  if (typeof body === 'string') return Buffer.from(body)
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  return body instanceof ArrayBuffer ? Buffer.from(body) : undefined
}

function headersOf(init: RequestInit['headers']): string[] {
  const headers = new Headers(init)
  // The link compresses by itself; what the vendor has compressed cannot be made smaller by it.
  if (!headers.has('accept-encoding')) headers.set('accept-encoding', 'identity')
  return [...headers].flat()
}

/** The answer as `fetch` gives it: decoded, with a body that fails when the answer breaks off. */
function toResponse({ status, reason, headers, body }: LinkAnswer): Response {
  const list = new Headers()
  for (let i = 0; i + 1 < headers.length; i += 2) list.append(headers[i] ?? '', headers[i + 1] ?? '')
  const statusText = /^[\t\x20-\x7e]*$/.test(reason) ? reason : ''
  if (status === 204 || status === 205 || status === 304)
    return new Response(null, { status, statusText, headers: list })
  return new Response(toStream(decoded(body, list.get('content-encoding'))), { status, statusText, headers: list })
}

function decoded(body: AsyncIterable<Uint8Array>, encoding: string | null): AsyncIterable<Uint8Array> {
  const decoder = DECODERS[(encoding ?? '') as keyof typeof DECODERS]
  if (decoder === undefined) return body
  const source = Readable.from(body, { objectMode: false })
  const target = decoder()
  source.on('error', (error) => target.destroy(error))
  return source.pipe(target)
}

function toStream(body: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]()
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await iterator.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        await iterator.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}
