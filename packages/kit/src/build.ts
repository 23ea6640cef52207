import { readFileSync } from 'node:fs'
import { Gauge, type Registry } from 'prom-client'

/** What runs here. */
export interface Build {
  /** Of the packages, such as `1.4.0`. */
  readonly version: string
  /** Commit that it was built from, where the build (FERRY_COMMIT) or the checkout tells. */
  readonly commit: string | undefined
  /** Version of Node.js, such as `24.21.0`. */
  readonly node: string
}

const packageFolder = new URL('..', import.meta.url)

/** This process's own build: the one home of the version. */
export const BUILD: Build = {
  version: (JSON.parse(readFileSync(new URL('package.json', packageFolder), 'utf8')) as { version: string }).version,
  commit: short(process.env.FERRY_COMMIT) ?? short(headOf(new URL('../../.git/', packageFolder))),
  node: process.versions.node,
}

/** What `/health` tells a caller whose credential is known; strangers are not told what to attack. */
export const HEALTH_BUILD: { readonly version: string; readonly commit?: string } = {
  version: BUILD.version,
  ...(BUILD.commit !== undefined && { commit: BUILD.commit }),
}

/** Registers `ferry_build_info`, which is always 1: its labels tell what runs. */
export function registerBuildInfo(registry: Registry): void {
  new Gauge({
    name: 'ferry_build_info',
    help: 'What runs here, in labels; always 1.',
    labelNames: ['version', 'commit', 'node'] as const,
    aggregator: 'first',
    registers: [registry],
  }).set({ version: BUILD.version, commit: BUILD.commit ?? '', node: BUILD.node }, 1)
}

function headOf(git: URL): string | undefined {
  try {
    const head = readFileSync(new URL('HEAD', git), 'utf8').trim()
    return head.startsWith('ref: ') ? readFileSync(new URL(head.slice(5), git), 'utf8') : head
  } catch {
    return undefined
  }
}

function short(commit: string | undefined): string | undefined {
  return /^[0-9a-f]{7,64}$/.exec(commit?.trim() ?? '')?.[0].slice(0, 12)
}
