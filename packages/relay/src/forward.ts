import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { requestedTimeoutMs, withoutKeyParameter } from '@llm-ferry/kit'
import { FerryError } from '@llm-ferry/sdk'
import { Answer, type Output } from './answer.ts'
import {
  type BodyBudget,
  type BodyRules,
  bodyMode,
  checkDeclared,
  declaredLength,
  gatherBody,
  streamBody,
} from './body.ts'
import type { RelayConfig } from './config.ts'
import { Copy } from './copy.ts'
import { refuse } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { requestHeaders, setHeader, type UrlRewrite } from './headers.ts'
import type { PoolKey } from './keys.ts'
import { linkBack } from './link-back.ts'
import type { Token } from './tokens.ts'
import type { Vendor } from './vendor.ts'

/** What has been decided about a request before its body. */
export interface Call {
  readonly vendor: Vendor
  readonly token: Token
  /** Path on the upstream. */
  readonly path: string
  readonly query: string | undefined
}

/** Undici holds a body until the answer's end, and streams take minutes: larger ones are handed over and forgotten. */
const HELD_BY_UNDICI_BYTES = 16_384

/** Takes the request's body and sends everything to the vendor. */
export function forward(exchange: Exchange, call: Call, config: RelayConfig, budget: BodyBudget): void {
  const { request } = exchange
  const mode = bodyMode(request, exchange.operation)
  const rules = bodyRules(mode === 'streamed', config)
  checkDeclared(request, rules.maxBytes)
  const sendNow = sender(exchange, call, config, new Copy(exchange, config.timeouts.streamIdleMs))
  const send: Send = (body) => {
    if (!exchange.isClosed) sendNow(body)
  }
  if (mode === 'none') {
    send(null)
    return
  }
  if (mode === 'streamed') {
    continueIfExpected(exchange)
    const count = (bytes: number): void => {
      exchange.bytesIn += bytes
    }
    send(streamBody(request, rules, count))
    return
  }
  exchange.reservation = gatherBody(request, rules, budget, {
    body(bytes) {
      exchange.bytesIn = bytes.length
      send(bytes)
    },
    fault: (error) => refuse(exchange, error),
  })
  continueIfExpected(exchange)
}

function bodyRules(streamed: boolean, { limits, timeouts }: RelayConfig): BodyRules {
  const idleMs = timeouts.bodyIdleMs
  if (streamed) return { maxBytes: limits.maxUploadBytes, idleMs, totalMs: timeouts.uploadMs }
  return { maxBytes: limits.maxBodyBytes, idleMs, totalMs: timeouts.bodyMs }
}

/** Asks for the body, where the caller waits to be asked. */
export function continueIfExpected({ request, response }: Exchange): void {
  if (request.headers.expect?.toLowerCase() === '100-continue') response.writeContinue()
}

/** Sends the request with this body to the vendor. */
export type Send = (body: Buffer | Readable | null) => void

/** Prepares all that does not depend on the body, so that a request that cannot be sent is refused before it is read. */
export function sender(exchange: Exchange, call: Call, config: RelayConfig, output: Output): Send {
  const { request } = exchange
  const { vendor } = call
  const key = pickKey(exchange, call)
  exchange.key = key
  const headMs = headTimeoutMs(request, config)
  const headers = requestHeaders(request.rawHeaders, request.headers.connection)
  setHeader(headers, vendor.placement.header, `${vendor.placement.prefix}${key.secret}`)
  const path = withQuery(call.path, call.query, vendor)
  const urls: UrlRewrite = {
    headers: vendor.dialect.urlHeaders,
    rewrite: (url) => linkBack(url, request, vendor, config),
  }
  return (body) => {
    const waitsForUpload = body instanceof Readable
    const answer = new Answer({ exchange, output, vendor, key, urls, headMs, waitsForUpload })
    const options = {
      method: request.method ?? 'GET',
      path,
      headers,
      body: bodyToSend(body, request, headers),
      bodyTimeout: config.timeouts.streamIdleMs,
      headersTimeout: 0,
    }
    vendor.upstream.dispatch(options, answer)
  }
}

function pickKey(exchange: Exchange, { vendor, token }: Call): PoolKey {
  const isStateless = !token.sticky && vendor.dialect.stateless.test(exchange.operation)
  const key = isStateless ? vendor.keys.next() : vendor.keys.stickyTo(token.name)
  if (key !== undefined) return key
  throw new FerryError(
    'vendor_not_configured',
    `The operator of this service has configured no key for ${vendor.name}.`,
  )
}

function headTimeoutMs({ headers }: IncomingMessage, { timeouts }: RelayConfig): number {
  return Math.min(requestedTimeoutMs(headers) ?? timeouts.requestMs, timeouts.maxRequestMs)
}

/** The upstream's path with the query, without a credential in it. */
export function withQuery(path: string, query: string | undefined, { dialect }: Vendor): string {
  if (query === undefined) return path
  const kept = dialect.credentialPlaces.includes('query') ? withoutKeyParameter(query) : query
  return kept === '' && query !== '' ? path : `${path}?${kept}`
}

function bodyToSend(
  body: Buffer | Readable | null,
  request: IncomingMessage,
  headers: string[],
): Buffer | Readable | null {
  if (body instanceof Readable) {
    const length = declaredLength(request)
    if (length !== undefined) headers.push('content-length', String(length))
    return body
  }
  if (body === null || body.length <= HELD_BY_UNDICI_BYTES) return body
  headers.push('content-length', String(body.length))
  return handOver(body)
}

/** A stream of one buffer that keeps no reference to what it has given. */
function handOver(body: Buffer): Readable {
  let held: Buffer | undefined = body
  return new Readable({
    highWaterMark: body.length,
    read() {
      this.push(held ?? null)
      if (held !== undefined) this.push(null)
      held = undefined
    },
  })
}
