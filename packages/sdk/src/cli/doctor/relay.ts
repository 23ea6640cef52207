import type { ClientCertificate } from '../../client-certificate.ts'
import { type Answer, Asker } from '../http.ts'
import { certificateRefusal } from './client-certificate.ts'
import { checkClock } from './clock.ts'
import { type Finding, findings, reasonOf } from './finding.ts'
import { checkLine } from './line.ts'
import { PROBES, vendorFinding } from './vendors.ts'

/** What stands behind a relay's address, once it can be connected to. */
export async function checkRelay(
  url: URL,
  token: string | undefined,
  shown?: ClientCertificate,
): Promise<readonly Finding[]> {
  const asker = new Asker(url, shown)
  try {
    const ready = await checkReady(asker, url.host, shown)
    if (ready.answer === undefined) return [ready.finding]
    const found = [
      ready.finding,
      checkClock(url.host, ready.answer, 'the relay'),
      ...(await checkLine(asker, url.host)),
    ]
    return [...found, ...(await checkToken(asker, url.host, token, shown))]
  } finally {
    asker.close()
  }
}

async function checkReady(
  asker: Asker,
  host: string,
  shown: ClientCertificate | undefined,
): Promise<{ finding: Finding; answer?: Answer }> {
  const { ok, warn, fail } = findings('ready', host)
  const answer = await asker.ask('/ready').catch(reasonOf)
  if (typeof answer === 'string')
    return {
      finding: fail(`/ready is not answered (${answer})`, 'read the log of nginx and of the relays on that host'),
    }
  const refusal = certificateRefusal(host, answer, shown !== undefined)
  if (refusal !== undefined) return { finding: refusal }
  if (answer.headers['x-ferry-error'] === 'upstream_unreachable')
    return {
      finding: fail(
        'nginx answers, no relay behind it does',
        'start the relays: `docker compose ps`, `docker compose logs relay-1`',
      ),
    }
  const { status, timestamp } = parsed(answer.body)
  if (timestamp === undefined)
    return {
      finding: fail(
        `something answers with ${answer.status} that is no relay`,
        'correct the address in RELAY_URLS, or the server name in nginx',
      ),
    }
  if (status === 'draining')
    return {
      finding: warn('the relay is about to stop', 'wait for its end, and start it again if nobody does'),
      answer,
    }
  if (answer.status !== 200) return { finding: fail(`/ready answers ${answer.status}`, 'read the relay’s log') }
  return { finding: ok('takes new requests'), answer }
}

async function checkToken(
  asker: Asker,
  host: string,
  token: string | undefined,
  shown: ClientCertificate | undefined,
): Promise<readonly Finding[]> {
  const { ok, fail } = findings('token', host)
  if (token === undefined)
    return [fail('RELAY_TOKEN is not set', 'set it to one of the tokens in the relay’s RELAY_TOKENS')]
  const vendors: Finding[] = []
  for (const probe of PROBES) {
    const answer = await asker
      .ask(`/proxy/${probe.vendor}${probe.path}`, { headers: probe.headers(token), timeoutMs: 20_000 })
      .catch(reasonOf)
    const code = typeof answer === 'string' ? undefined : answer.headers['x-ferry-error']
    const refusal = typeof answer === 'string' ? undefined : certificateRefusal(host, answer, shown !== undefined)
    if (refusal !== undefined) return [refusal]
    if (code === 'authentication_failed')
      return [
        fail(
          'the relay does not know our RELAY_TOKEN',
          'copy the token, without its name, from RELAY_TOKENS of that relay',
        ),
      ]
    if (code === 'permission_denied')
      return [
        fail(
          'the relay does not serve our address or this token',
          'add this machine’s public address to RELAY_ALLOWED_IPS there, or the vendor to the token',
        ),
      ]
    vendors.push(vendorFinding(probe.vendor, `through ${host}`, answer))
  }
  return [ok('known to the relay'), ...vendors]
}

function parsed(body: Buffer): { status?: unknown; timestamp?: unknown } {
  try {
    const value: unknown = JSON.parse(body.toString())
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}
