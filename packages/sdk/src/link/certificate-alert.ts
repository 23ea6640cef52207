import { HEADERS } from '../schema/headers.ts'
import type { CarrierEnd } from './carrier.ts'

// OpenSSL's names of the alerts; with TLS 1.3 they come after the handshake is over for us, and the request has left.
const ALERT = /^ERR_SSL_.*ALERT_.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)/

/** Whether the other side has ended the handshake over our certificate, or for want of one. */
export const isCertificateAlert = (error: NodeJS.ErrnoException): boolean => ALERT.test(error.code ?? '')

/**
 * What an answer would say in place of a TLS alert about our certificate: whoever sends one has read no request.
 * Undefined for any other error.
 */
export function certificateAlert(error: NodeJS.ErrnoException): (CarrierEnd & { kind: 'answered' }) | undefined {
  if (!isCertificateAlert(error)) return undefined
  const headers = [HEADERS.error, 'client_certificate_refused', HEADERS.reached, 'no', 'x-should-retry', 'false']
  const message = `The relay, or what stands in front of it, ended the connection over our client certificate (${error.code}).`
  const type = 'permission_error'
  const body = { type: 'error', error: { type, code: 'client_certificate_refused', message, param: null } }
  return {
    kind: 'answered',
    status: 403,
    headers: ['content-type', 'application/json', ...headers],
    body: Buffer.from(JSON.stringify(body)),
  }
}
