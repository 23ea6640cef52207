import { FerryError } from './errors.ts'
import { userHeader } from './leave.ts'
import { connectionError } from './network.ts'
import type { Settings } from './options.ts'
import { HEADERS } from './schema/headers.ts'

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
