import { expiryOf, type TlsPair } from '../tls-pair.ts'
import type { Warning } from './check.ts'

/** A certificate that ends sooner should have been renewed. */
const CERTIFICATE_DAYS = 14

/** Warns of a certificate that ends soon. @param variable what names its file. */
export function certificateWarnings(variable: string, pair: TlsPair | undefined): readonly Warning[] {
  if (pair === undefined) return []
  const days = (expiryOf(pair) * 1000 - Date.now()) / 86_400_000
  if (days > CERTIFICATE_DAYS) return []
  const text =
    days < 0
      ? `the certificate of ${variable} has expired`
      : `the certificate of ${variable} ends in ${days.toFixed(1)} days`
  return [{ text, todo: 'renew it; the service reads it again by itself' }]
}
