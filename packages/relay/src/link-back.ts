import type { IncomingMessage } from 'node:http'
import type { RelayConfig } from './config.ts'
import type { Vendor } from './vendor.ts'

/**
 * The URL on this relay that leads where `url` leads on the vendor; undefined for what is no URL.
 *
 * Whatever host it names: the SDKs follow such URLs with the caller's credential, which must not leave the relay.
 */
export function linkBack(
  url: string,
  request: IncomingMessage,
  { name, origin, prefix }: Vendor,
  config: RelayConfig,
): string | undefined {
  if (!URL.canParse(url, origin.href)) return undefined
  const { pathname, search } = new URL(url, origin)
  const path = prefix !== '' && pathname.startsWith(`${prefix}/`) ? pathname.slice(prefix.length) : pathname
  return `${ownOrigin(request, config)}/proxy/${name}${path}${search}`
}

/** Where the caller reached us: what is configured, else what its own Host header says. */
function ownOrigin(request: IncomingMessage, { publicUrl, trustedProxies, host, port }: RelayConfig): string {
  if (publicUrl !== undefined) return publicUrl.href.replace(/\/$/, '')
  const { 'x-forwarded-proto': forwardedProto, host: asked = `${host}:${port}` } = request.headers
  const isForwarded = forwardedProto !== undefined && trustedProxies.has(request.socket.remoteAddress ?? '')
  const isTls = isForwarded ? String(forwardedProto).startsWith('https') : 'encrypted' in request.socket
  return `${isTls ? 'https' : 'http'}://${/^[\w.:[\]-]+$/.test(asked) ? asked : `${host}:${port}`}`
}
