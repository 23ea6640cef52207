import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { ClientCertificate } from '../../client-certificate.ts'
import type { Answer } from '../http.ts'
import { clientCertificate, type Settings } from '../settings.ts'
import { type Finding, findings } from './finding.ts'

const DAY_MS = 86_400_000
const [WARN_DAYS, FAIL_DAYS] = [14, 3]
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const RENEW = 'make it again (deploy/scripts/client-certificates), put it in its place, and run `./up.sh secrets`'

/** The certificate for the relays on this machine. */
export interface OwnCertificate {
  /** What can be said of it; nothing where none is set. */
  readonly found: readonly Finding[]
  /** What can be shown: one that does not fit its key cannot. */
  readonly shown: ClientCertificate | undefined
}

/** Looks at RELAY_CLIENT_CERT_FILE and RELAY_CLIENT_KEY_FILE. @throws {CliError} when they cannot be read. */
export function checkClientCertificate(settings: Settings): OwnCertificate {
  const shown = clientCertificate(settings)
  if (shown === undefined) return { found: [], shown }
  const subject = settings.RELAY_CLIENT_CERT_FILE ?? ''
  try {
    createSecureContext(shown)
  } catch (error) {
    const detail = `RELAY_CLIENT_CERT_FILE and RELAY_CLIENT_KEY_FILE do not belong together (${(error as Error).message})`
    const todo = 'name the certificate and the key that were made together, as PEM'
    return { found: [findings('client-cert', subject).fail(detail, todo)], shown: undefined }
  }
  return { found: [validity(subject, shown)], shown }
}

function validity(subject: string, { cert }: ClientCertificate): Finding {
  const { ok, warn, fail } = findings('client-cert', subject)
  const { validToDate, validFromDate, keyUsage } = new X509Certificate(cert)
  const days = (validToDate.getTime() - Date.now()) / DAY_MS
  const detail = days < 0 ? `expired at ${validToDate.toISOString()}` : `good for ${days.toFixed(1)} days`
  if (keyUsage !== undefined && !keyUsage.includes(CLIENT_AUTH))
    return fail('it is not for clients (clientAuth)', 'have one made for clients: deploy/scripts/client-certificates')
  if (validFromDate.getTime() > Date.now())
    return fail('it is not valid yet', 'set the clock of this machine, or of the one that made it, right (chrony)')
  if (days < FAIL_DAYS) return fail(detail, RENEW)
  return days < WARN_DAYS ? warn(detail, RENEW) : ok(detail)
}

/** Why the relay's door refuses what we show of ourselves; undefined when it does not. */
export function certificateRefusal(host: string, answer: Answer, isShown: boolean): Finding | undefined {
  const text = answer.body.toString('utf8')
  // A door that is not ours may be an nginx with its own page.
  const isRefused =
    answer.headers['x-ferry-error'] === 'client_certificate_refused' ||
    (answer.status === 400 && /SSL certificate/.test(text))
  if (!isRefused) return undefined
  const { fail } = findings('client-cert', host)
  if (!isShown)
    return fail(
      'the relay’s door takes callers with a client certificate only',
      'set RELAY_CLIENT_CERT_FILE and RELAY_CLIENT_KEY_FILE (docs/deploy, Client certificates)',
    )
  const [, reason = 'it is not for calls'] = /\(FAILED:([^)]*)\)/.exec(text) ?? []
  return fail(
    `the relay’s door does not take our client certificate: ${reason}`,
    'it must be signed by an authority in FERRY_CLIENT_CA there, be in time, and be made for a BFF (`client-certificates bff NAME`)',
  )
}
