import type { ClientCertificate } from '../../client-certificate.ts'
import { Asker } from '../http.ts'
import { ownVersion } from '../version.ts'
import { type Finding, findings } from './finding.ts'

/** Processes behind one address take turns: so many questions meet more than one of them. */
const QUESTIONS = 4

/** A service whose version is asked for, with a credential that it knows. */
export interface Versioned {
  readonly name: string
  readonly url: URL
  readonly credential: string | undefined
  /** What is shown to it where it asks for a certificate. */
  readonly shown?: ClientCertificate | undefined
}

/** Compares what runs: this command line, the BFF and the relays. */
export async function checkVersions(services: readonly Versioned[]): Promise<readonly Finding[]> {
  const asked = services.filter(({ credential }) => credential !== undefined)
  if (asked.length === 0) return []
  const found = await Promise.all(
    asked.map(async (service) => ({ name: service.name, builds: await buildsOf(service) })),
  )
  const own = ownVersion()
  const answered = found.filter(({ builds }) => builds.size > 0)
  const silent = found.filter(({ builds }) => builds.size === 0).map(({ name }) => name)
  const { ok, warn } = findings('versions', ['ferry', ...answered.map(({ name }) => name)].join(', '))
  const older = silent.length === 0 ? [] : [silentFinding(silent)]
  if (answered.length === 0) return older
  const builds = [...new Set(answered.flatMap(({ builds }) => [...builds]))]
  const detail = [`ferry ${own}`, ...answered.map(({ name, builds }) => `${name} ${[...builds].join(' and ')}`)].join(
    ', ',
  )
  const isSame = builds.length === 1 && builds[0]?.split(' ')[0] === own
  if (isSame) return [ok(builds[0] ?? own), ...older]
  return [
    warn(
      detail,
      'bring all to one version, the relays first: scripts/upgrade FOLDER VERSION on each host, then npm install @llm-ferry/sdk; while an upgrade runs this is how it should be',
    ),
    ...older,
  ]
}

// What cannot be reached at all is another check's finding.
function silentFinding(names: readonly string[]): Finding {
  return findings('versions', names.join(', ')).warn(
    'no version is told',
    'the credential is not known there, or what runs is older than this ferry: see `token` and `bff` above, then scripts/upgrade',
  )
}

/** What answers there: versions, with their commits where they are told. */
async function buildsOf({ url, credential, shown }: Versioned): Promise<ReadonlySet<string>> {
  const builds = new Set<string>()
  for (let i = 0; i < QUESTIONS; i++) {
    const asker = new Asker(url, shown)
    try {
      const { body } = await asker.ask('/health', { headers: { authorization: `Bearer ${credential}` } })
      const { version, commit } = JSON.parse(body.toString()) as { version?: string; commit?: string }
      if (typeof version === 'string') builds.add(commit ? `${version} (${commit})` : version)
    } catch {
      return builds
    } finally {
      asker.close()
    }
  }
  return builds
}
