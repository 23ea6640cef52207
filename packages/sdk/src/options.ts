import { FerryError } from './errors.ts'
import type { FerryHooks } from './hooks.ts'

/** A `fetch`: the platform's, undici's, or one of yours. It is called with an address and an init, never a Request. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** What a client and a single call can both say; the call's word wins. */
export interface SharedOptions {
  /**
   * End user on whose behalf you call; limits and quotas count for each. Default: none, all calls are the key's own.
   * Characters outside printable ASCII are percent-encoded on the wire.
   */
  readonly user?: string | undefined
  /**
   * How long you wait for a whole plain answer, or for the first event of a stream, in ms, over all attempts and
   * pauses. Default: the server's own limit for the model (60 s, reasoning models 10 min), watched here at 610 000.
   */
  readonly timeoutMs?: number | undefined
  /**
   * How long one attempt may take, in ms. Default: no limit of its own. A POST that ran into it is not repeated, since
   * the vendor may have billed it; set it for connections that hang, not to hurry a model.
   */
  readonly attemptTimeoutMs?: number | undefined
  /** How long a stream may be silent once it has begun, in ms; the server's heartbeats count as life. Default 300 000. */
  readonly idleTimeoutMs?: number | undefined
  /** Attempts after the first, default 2. Only what certainly was not answered is repeated. */
  readonly maxRetries?: number | undefined
  /**
   * Takes the answer from the server's cache when the same request was answered in the last `maxAgeSeconds`; false: never,
   * whatever the server's configuration says. Default: as it says. `meta.cache` tells what came of it.
   */
  readonly cache?: { readonly maxAgeSeconds: number } | false | undefined
  /** More headers. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** Options of {@link createFerry}. */
export interface FerryOptions extends SharedOptions {
  /**
   * Address of the BFF, with or without `/v1`, such as `https://llm.example.cn`. In a page it may be relative. Undefined,
   * as an environment variable may be, is refused.
   */
  readonly baseURL: string | URL | undefined
  /** Key or session token; or a function that gives the current one, called before every attempt. Undefined is refused. */
  readonly apiKey: string | (() => string | Promise<string>) | undefined
  /** Replaces the platform's `fetch`. */
  readonly fetch?: Fetch | undefined
  /**
   * Whether calls get an Idempotency-Key by themselves, so that a broken line costs neither text nor a second bill. Default
   * true. `false`: a call has one only where it names one itself, and closing its connection ends it.
   */
  readonly idempotency?: boolean | undefined
  /** Called on the way of every call. */
  readonly hooks?: FerryHooks | undefined
}

/** Options of one call. */
export interface CallOptions extends SharedOptions {
  /** Cancels the call, at the vendor too. The call then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /**
   * Names the call: the same key with the same request attaches to the call that runs, or gets its answer again (10
   * min), instead of a second one. Default: a new one each call, the same in its retries.
   */
  readonly idempotencyKey?: string | undefined
  /** More fields of the body, for what the types do not know. */
  readonly extraBody?: Readonly<Record<string, unknown>> | undefined
}

/** Options of a client, checked and with the defaults in. */
export interface Settings {
  readonly root: string
  readonly apiKey: () => string | Promise<string>
  readonly fetch: Fetch
  readonly hooks: FerryHooks
  readonly shared: SharedOptions
  /** A key for a call that names none. */
  readonly newKey: () => string | undefined
  /** What the server has shown of itself. */
  readonly server: { isIdempotent: boolean }
}

/** Options of a call, checked and with the client's and the defaults in. */
export interface CallSettings {
  readonly user: string | undefined
  /** What the caller said, and the server is told. */
  readonly timeoutMs: number | undefined
  /** What is watched here. */
  readonly deadlineMs: number
  readonly attemptTimeoutMs: number | undefined
  readonly idleTimeoutMs: number
  readonly maxRetries: number
  /** `Cache-Control` of the request. */
  readonly cacheControl: string | undefined
  readonly headers: Readonly<Record<string, string>>
}

// The server's longest limit is 600 s; its own error says more than ours, so it gets the time to arrive.
const DEFAULT_DEADLINE_MS = 610_000
const DEFAULT_IDLE_MS = 300_000
const DEFAULT_RETRIES = 2
// Above it timers fire at once.
const MAX_MS = 2_147_483_647

export function clientSettings(options: FerryOptions): Settings {
  const { baseURL, apiKey, fetch: custom, hooks = {}, idempotency = true, ...shared } = options
  callSettings(shared, {})
  return {
    root: serverRoot(baseURL),
    apiKey: typeof apiKey === 'function' ? apiKey : fixedKey(apiKey),
    // Looked up at every call: tests and instrumentation replace the global one.
    fetch: custom ?? ((url, init) => globalThis.fetch(url, init)),
    hooks,
    shared,
    newKey: () => (idempotency ? crypto.randomUUID() : undefined),
    server: { isIdempotent: false },
  }
}

export function callSettings(client: SharedOptions, call: SharedOptions): CallSettings {
  const timeoutMs = milliseconds('timeoutMs', call.timeoutMs ?? client.timeoutMs)
  return {
    user: call.user ?? client.user,
    timeoutMs,
    deadlineMs: timeoutMs ?? DEFAULT_DEADLINE_MS,
    attemptTimeoutMs: milliseconds('attemptTimeoutMs', call.attemptTimeoutMs ?? client.attemptTimeoutMs),
    idleTimeoutMs: milliseconds('idleTimeoutMs', call.idleTimeoutMs ?? client.idleTimeoutMs) ?? DEFAULT_IDLE_MS,
    maxRetries: count('maxRetries', call.maxRetries ?? client.maxRetries ?? DEFAULT_RETRIES),
    cacheControl: cacheControl(call.cache ?? client.cache),
    headers: { ...client.headers, ...call.headers },
  }
}

/** `https://host/prefix/v1/` → `https://host/prefix`. */
function serverRoot(baseURL: string | URL | undefined): string {
  const text = String(baseURL ?? '').trim()
  const url = text === '' ? null : parseAddress(text)
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw refuse('baseURL', 'must be an http(s) address such as https://llm.example.cn')
  }
  return url.origin + url.pathname.replace(/\/+$/, '').replace(/\/v1$/, '')
}

function parseAddress(text: string): URL | null {
  const page = globalThis.location?.href
  return URL.parse(text, page === undefined || page === 'about:blank' ? undefined : page)
}

function fixedKey(apiKey: string | undefined): () => string {
  if (typeof apiKey !== 'string' || apiKey === '') throw refuse('apiKey', 'is missing; pass a key or a session token')
  return () => apiKey
}

function milliseconds(name: string, value: number | undefined): number | undefined {
  if (value !== undefined && !(value > 0 && value <= MAX_MS)) {
    throw refuse(name, `must be more than 0 and at most ${MAX_MS} milliseconds; leave it out for the default`)
  }
  return value
}

function count(name: string, value: number): number {
  if (!Number.isInteger(value) || value < 0) throw refuse(name, 'must be 0 or a positive whole number')
  return value
}

function cacheControl(cache: SharedOptions['cache']): string | undefined {
  if (cache === undefined) return undefined
  return cache === false ? 'no-store' : `max-age=${count('cache.maxAgeSeconds', cache.maxAgeSeconds)}`
}

function refuse(param: string, advice: string): FerryError {
  return new FerryError('invalid_request', `\`${param}\` ${advice}.`, { param })
}
