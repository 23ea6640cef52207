import type { Ferry } from './client.ts'
import type { ClientCertificateSource } from './client-certificate.ts'
import { optionsOf } from './client-options.ts'
import { durableFetch } from './durable-fetch.ts'
import { userHeader } from './leave.ts'
import { clientSettings, type FerryOptions, type Settings } from './options.ts'
import { HEADERS } from './schema/headers.ts'

/** Where the official client of a vendor is aimed. */
export interface NativeTarget extends Pick<FerryOptions, 'baseURL' | 'apiKey' | 'user' | 'headers' | 'fetch'> {
  /**
   * What stands there, default `bff`. A BFF repeats what may be repeated, so the client's own retries are off; a relay
   * never repeats anything, so they stay on.
   */
  readonly via?: 'bff' | 'relay' | undefined
  /**
   * Whether an answer survives broken connections to a relay, default true: what is lost comes again, and the vendor is
   * called once. In Node alone, without a `fetch` of yours, and not for uploads. A BFF sees to it by itself.
   */
  readonly durable?: boolean | undefined
  /**
   * Shown to a relay that takes callers with a certificate only (mTLS). Default: none. A function is asked for every new
   * connection, so that a renewed one needs no restart; clients with the same function share their connections. For
   * `via: 'relay'` in Node, without a `fetch` of yours.
   */
  readonly clientCertificate?: ClientCertificateSource | undefined
  /** How long you wait for an answer's head, in ms, default 600 000: reasoning models take minutes. */
  readonly timeoutMs?: number | undefined
}

/** What an official client needs to know. */
export interface Aim {
  /** Ends before the version: `https://host/proxy/openai`. */
  readonly baseURL: string
  readonly apiKey: string
  readonly headers: Record<string, string>
  readonly timeoutMs: number
  /** Undefined: the client's own default stays. */
  readonly maxRetries: 0 | undefined
  /** Undefined: the platform's. */
  readonly fetch: typeof fetch | undefined
}

const DEFAULT_TIMEOUT_MS = 600_000
// Stands where a key is wanted that is fetched anew for every request.
const PLACEHOLDER = 'set-by-ferry'

/** An official client, as far as aiming it goes. */
export interface OfficialClient {
  readonly vendor: string
  /** Where it puts its key. */
  readonly keyHeader: string
  /** Whether a `fetch` can be given to it. */
  readonly takesFetch: boolean
}

/** Aims an official client. Throws a TypeError when the target needs a `fetch` of its own and the client takes none. */
export function aim(client: OfficialClient, ferryOrTarget: Ferry | NativeTarget): Aim {
  const target = targetOf(ferryOrTarget)
  const { via = 'bff', timeoutMs = DEFAULT_TIMEOUT_MS, durable: _, clientCertificate: __, ...options } = target
  const { root, apiKey } = clientSettings(options)
  return {
    baseURL: `${root}/proxy/${client.vendor}`,
    apiKey: typeof target.apiKey === 'string' ? target.apiKey : PLACEHOLDER,
    headers: { [HEADERS.timeoutMs]: String(timeoutMs), ...userHeader(target.user), ...target.headers },
    timeoutMs,
    maxRetries: via === 'bff' ? 0 : undefined,
    fetch: ownFetch(client, target, root, apiKey),
  }
}

function targetOf(target: Ferry | NativeTarget): NativeTarget {
  const options = optionsOf(target)
  if (!options) return target as NativeTarget
  const { baseURL, apiKey, user, headers, fetch, timeoutMs } = options
  return { baseURL, apiKey, user, headers, fetch, timeoutMs }
}

function ownFetch(
  { keyHeader, takesFetch }: OfficialClient,
  { via, durable = true, ...target }: NativeTarget,
  root: string,
  apiKey: Settings['apiKey'],
): typeof fetch | undefined {
  const isFixed = typeof target.apiKey === 'string'
  if (!takesFetch && (target.fetch || !isFixed)) {
    throw new TypeError('This client takes neither a fetch nor a key that changes; use `@llm-ferry/sdk/gemini`.')
  }
  const isDurable = takesFetch && via === 'relay' && durable
  if (target.clientCertificate && (target.fetch || !isDurable)) {
    throw new TypeError('`clientCertificate` is for `via: "relay"`, with `durable`, and without a `fetch` of yours.')
  }
  const send = target.fetch ?? (isDurable ? durableFetch(root, target.clientCertificate) : undefined)
  if (!send && isFixed) return undefined
  return async (input, init = {}) => {
    const headers = new Headers(init.headers)
    if (!isFixed) headers.set(keyHeader, bearer(keyHeader, await apiKey()))
    const url = input instanceof Request ? input.url : String(input)
    return send ? send(url, { ...init, headers }) : fetch(url, { ...init, headers })
  }
}

const bearer = (header: string, key: string) => (header === 'authorization' ? `Bearer ${key}` : key)
