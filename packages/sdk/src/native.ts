import { FerryError } from './errors.ts'
import { userHeader } from './leave.ts'
import { connectionError } from './network.ts'
import { clientSettings, type FerryOptions, type Settings } from './options.ts'
import { HEADERS } from './schema/headers.ts'

/** Where the official client of a vendor is aimed. */
export interface NativeTarget extends Pick<FerryOptions, 'baseURL' | 'apiKey' | 'user' | 'headers' | 'fetch'> {
  /**
   * What stands there, default `bff`. A BFF repeats what may be repeated, so the client's own retries are off; a relay
   * never repeats anything, so they stay on.
   */
  readonly via?: 'bff' | 'relay' | undefined
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

/** Aims an official client. `keyHeader` is where it puts its key. */
export function aim(vendor: string, target: NativeTarget, keyHeader: string): Aim {
  const { via = 'bff', timeoutMs = DEFAULT_TIMEOUT_MS, ...options } = target
  const { root, apiKey } = clientSettings(options)
  return {
    baseURL: `${root}/proxy/${vendor}`,
    apiKey: typeof target.apiKey === 'string' ? target.apiKey : PLACEHOLDER,
    headers: { [HEADERS.timeoutMs]: String(timeoutMs), ...userHeader(target.user), ...target.headers },
    timeoutMs,
    maxRetries: via === 'bff' ? 0 : undefined,
    fetch: ownFetch(target, keyHeader, apiKey),
  }
}

function ownFetch(target: NativeTarget, keyHeader: string, apiKey: Settings['apiKey']): typeof fetch | undefined {
  if (!target.fetch && typeof target.apiKey === 'string') return undefined
  const send = target.fetch ?? ((url: string, init: RequestInit) => fetch(url, init))
  return async (input, init = {}) => {
    const headers = new Headers(init.headers)
    if (typeof target.apiKey === 'function') headers.set(keyHeader, bearer(keyHeader, await apiKey()))
    return send(input instanceof Request ? input.url : String(input), { ...init, headers })
  }
}

const bearer = (header: string, key: string) => (header === 'authorization' ? `Bearer ${key}` : key)

/** A vendor's own request through the BFF, its answer untouched. */
export async function callNative(settings: Settings, path: string, init: RequestInit = {}): Promise<Response> {
  if (!/^[\w-]+\/./.test(path)) {
    throw new FerryError('invalid_request', '`path` must be `vendor/path`, such as `openai/v1/audio/speech`.', {
      param: 'path',
    })
  }
  const headers = new Headers({ ...settings.shared.headers, ...userHeader(settings.shared.user) })
  for (const [name, value] of new Headers(init.headers)) headers.set(name, value)
  headers.set('authorization', `Bearer ${await settings.apiKey()}`)
  const { timeoutMs } = settings.shared
  if (timeoutMs !== undefined && !headers.has(HEADERS.timeoutMs)) headers.set(HEADERS.timeoutMs, String(timeoutMs))
  try {
    return await settings.fetch(`${settings.root}/proxy/${path}`, { redirect: 'manual', ...init, headers })
  } catch (error) {
    throw init.signal?.aborted ? error : connectionError(error, init.method ?? 'GET')
  }
}
