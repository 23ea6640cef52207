import { type Answer, Asker } from '../http.ts'
import { httpUrl, type Settings } from '../settings.ts'
import { type Finding, findings, reasonOf } from './finding.ts'

/** How to see whether a vendor takes a key, without a bill: its list of models. */
export interface Probe {
  readonly vendor: string
  /** From the vendor's origin. */
  readonly path: string
  readonly headers: (key: string) => Readonly<Record<string, string>>
  /** Variables of its keys and its address. */
  readonly keyVariable: string
  readonly upstreamVariable: string
  readonly origin: string
}

export const PROBES: readonly Probe[] = [
  {
    vendor: 'openai',
    path: '/v1/models',
    headers: (key) => ({ authorization: `Bearer ${key}` }),
    keyVariable: 'OPENAI_API_KEY',
    upstreamVariable: 'OPENAI_UPSTREAM',
    origin: 'https://api.openai.com',
  },
  {
    vendor: 'anthropic',
    path: '/v1/models',
    headers: (key) => ({ 'x-api-key': key, 'anthropic-version': '2023-06-01' }),
    keyVariable: 'ANTHROPIC_API_KEY',
    upstreamVariable: 'ANTHROPIC_UPSTREAM',
    origin: 'https://api.anthropic.com',
  },
  {
    vendor: 'gemini',
    path: '/v1beta/models',
    headers: (key) => ({ 'x-goog-api-key': key }),
    keyVariable: 'GEMINI_API_KEY',
    upstreamVariable: 'GEMINI_UPSTREAM',
    origin: 'https://generativelanguage.googleapis.com',
  },
]

/** Asks each vendor with each key that is set on this machine: the relay's side. */
export async function checkVendors(settings: Settings): Promise<readonly Finding[]> {
  const checks = PROBES.map(async (probe) => {
    const keys = (settings[probe.keyVariable] ?? '')
      .split(',')
      .map((key) => key.trim())
      .filter((key) => key !== '')
    const { HTTPS_PROXY, HTTP_PROXY, NO_PROXY } = settings
    const origin = httpUrl(settings[probe.upstreamVariable] ?? probe.origin, probe.upstreamVariable)
    const asker = new Asker(origin, undefined, { HTTPS_PROXY, HTTP_PROXY, NO_PROXY })
    const found: Finding[] = []
    for (const [index, key] of keys.entries()) {
      const answer = await asker.ask(probe.path, { headers: probe.headers(key), timeoutMs: 20_000 }).catch(reasonOf)
      found.push(vendorFinding(probe.vendor, `key ${index + 1} of ${probe.keyVariable}`, answer))
    }
    asker.close()
    return found
  })
  return (await Promise.all(checks)).flat()
}

/** @param answer the vendor's, by way of a relay or not, or why there is none. */
export function vendorFinding(vendor: string, way: string, answer: Answer | string): Finding {
  const { ok, warn, fail } = findings('vendor', `${vendor}, ${way}`)
  if (typeof answer === 'string')
    return fail(
      `no answer (${answer})`,
      `see whether this machine reaches ${vendor}: \`curl -v\` its address; a machine in China does not, and others may need HTTPS_PROXY`,
    )
  const code = answer.headers['x-ferry-error']
  const { status } = answer
  if (code === 'vendor_not_configured')
    return warn('the relay has no key for it', `set its key at the relay, or ignore this if you do not use ${vendor}`)
  // Gemini's answer to a bad key is a 400.
  const isRefused = status === 401 || status === 403 || (status === 400 && answer.body.includes('API_KEY_INVALID'))
  if (code === 'vendor_key_rejected' || isRefused)
    return fail(
      'the vendor refuses the key',
      'put a valid key into the relay’s settings; look at billing and the key’s project at the vendor',
    )
  if (code === 'upstream_unreachable' || code === 'upstream_timeout')
    return fail('the relay cannot reach the vendor', 'on the relay’s host: DNS, its firewall’s way out, HTTPS_PROXY')
  if (status === 429)
    return warn('the vendor limits the key', 'look at its credit and limits at the vendor, or add keys to the pool')
  if (status >= 500) return warn(`the vendor answers ${status}`, 'look at its status page')
  if (status !== 200) return warn(`the vendor answers ${status}`, 'see whether the upstream’s address is right')
  return ok('the key is taken')
}
