import { createHash, createHmac } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { DIALECTS, type KeyPlacement, type LinkCompression, type Registry } from '@llm-ferry/kit'
import { type ErrorCode, FerryError, HEADERS, isErrorCode } from '@llm-ferry/sdk'
import {
  type ClientCertificate,
  createLink,
  type ExchangeRef,
  type LinkAnswer,
  type LinkRequest,
} from '@llm-ferry/sdk/link'
import { retryAfterMs } from '@llm-ferry/sdk/schema'
import type { VendorConfig } from './config-file.ts'
import type { Party } from './context.ts'
import { AttemptFailure } from './dispatch/failure.ts'
import { createLinkMetrics } from './link-metrics.ts'
import type { Exchange, OutgoingRequest } from './transport.ts'

/** The way to vendors that are overseas. */
export interface Border {
  /** Sends a request whose body is held; a connection that breaks costs time only. @throws {AttemptFailure} */
  send(
    caller: Party,
    vendor: VendorConfig,
    request: HeldRequest,
    signal: AbortSignal,
    exchange?: Pick<LinkRequest, 'takeover' | 'onExchange'>,
  ): Promise<Exchange>
  /** Ends an exchange that another process, or a call with `onExchange`, has left at its relay. */
  end(caller: Party, exchange: ExchangeRef): Promise<void>
  /** Where what cannot be sent over the link should go, the best relay first. */
  relayUrls(): readonly [URL, ...URL[]]
  close(): Promise<void>
}

/** A request that can be sent again. */
export interface HeldRequest extends OutgoingRequest {
  readonly body: string | Uint8Array | undefined
}

/** What the border needs. */
export interface BorderOptions {
  /** In order of preference, each with its addresses. */
  readonly relays: readonly (readonly URL[])[]
  readonly relayToken: string
  readonly compression: LinkCompression | undefined
  /** What is shown to relays that ask for a certificate, as it is at the moment. */
  readonly clientCertificate: (() => ClientCertificate) | undefined
  /** Where the link's metrics go. */
  readonly registry: Registry
}

/** The border link to the relays. */
export function createBorder(options: BorderOptions): Border {
  const { relays, relayToken, compression, clientCertificate, registry } = options
  const link = createLink({ relays, compression, clientCertificate })
  createLinkMetrics(registry, () => link.stats())
  link.keepWarm()
  const scopeOf = callerScopes(relayToken)
  return {
    async send(caller, vendor, request, signal, exchange) {
      const path = `/proxy/${vendor.name}/${request.path}`
      const headers = flat({ ...request.headers, ...keyHeader(vendor, relayToken) })
      const body = Buffer.from(request.body ?? '')
      const asked = { path, method: request.method, headers, body, signal, scope: scopeOf(caller), ...exchange }
      const answer = await link.request(asked).catch((error) => {
        throw left(error)
      })
      return relayed({ ...answer, headers: incoming(answer) }, answer.relay)
    },
    end: (caller, exchange) => link.end(exchange, relayToken, scopeOf(caller)),
    relayUrls: () => link.relayUrls(),
    close: () => link.close(),
  }
}

/**
 * What sets the callers of one relay token apart at the relay: an HMAC of the key's name and the end user. All BFF
 * processes have the same token, and so the same scopes; a key that is rotated keeps its name.
 */
function callerScopes(relayToken: string): (caller: Party) => string {
  const secret = createHash('sha256').update(`ferry scope\0${relayToken}`).digest()
  return ({ key, user }) =>
    createHmac('sha256', secret)
      .update(JSON.stringify([key, user]))
      .digest('base64url')
}

/** The link rejects for nothing but its signal. */
function left(reason: unknown): AttemptFailure {
  const error = FerryError.is(reason) ? reason : new FerryError('client_closed', 'The caller left.', { cause: reason })
  return new AttemptFailure(error, 'unknown')
}

/** The credential where the dialect's vendors, and so the relay, look for it. */
export function keyHeader({ dialect }: VendorConfig, credential: string): Record<string, string> {
  const dialects: Readonly<Record<string, { key: KeyPlacement }>> = DIALECTS
  const { header, prefix } = dialects[dialect]?.key ?? DIALECTS.openai.key
  return { [header]: prefix + credential }
}

function flat(headers: Readonly<Record<string, string | string[]>>): string[] {
  return Object.entries(headers).flatMap(([name, value]) => [value].flat().flatMap((one) => [name, one]))
}

function incoming({ headers }: LinkAnswer): IncomingHttpHeaders {
  const merged: Record<string, string> = {}
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = (headers[i] ?? '').toLowerCase()
    const former = merged[name]
    merged[name] = former === undefined ? (headers[i + 1] ?? '') : `${former}, ${headers[i + 1]}`
  }
  return merged
}

/**
 * An answer that came through a relay. An error that the relay or the link itself made is no answer of the vendor.
 *
 * @throws {AttemptFailure} for such an error.
 */
export async function relayed(answer: Omit<Exchange, 'relay'>, relay: string | undefined): Promise<Exchange> {
  const code = answer.headers[HEADERS.error]
  if (typeof code !== 'string') return { ...answer, relay }
  await discard(answer.body)
  const options = { status: answer.status, retryAfterMs: retryAfterMs((name) => answer.headers[name]?.toString()) }
  const message =
    relay === undefined ? `No relay answered (${code})` : `The relay ${relay} answered ${answer.status} (${code})`
  const known = isErrorCode(code) ? code : 'upstream_invalid'
  // Our token and our certificate are the operator's, not the caller's: 401 and 403 would blame the wrong side.
  const fault = OURS[known]
  const error =
    fault === undefined
      ? new FerryError(known, message, options)
      : new FerryError('upstream_unreachable', `${message}: ${fault.says}`, { retryable: fault.isRetryable })
  throw new AttemptFailure(error, answer.headers[HEADERS.reached] === 'no' ? 'unreached' : 'unknown')
}

/** What a relay refuses about us. Another one may have another authority for certificates. */
const OURS: Partial<Record<ErrorCode, { readonly says: string; readonly isRetryable: boolean }>> = {
  authentication_failed: { says: 'RELAY_TOKEN is not among its tokens', isRetryable: false },
  client_certificate_refused: {
    says: 'it wants a client certificate that it trusts; see RELAY_CLIENT_CERT_FILE, and what `ferry doctor` finds',
    isRetryable: true,
  },
}

async function discard(body: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const _ of body);
  } catch {
    // The error being reported is the one in the head.
  }
}
