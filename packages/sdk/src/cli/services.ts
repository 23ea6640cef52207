import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CliError, EXIT } from './command.ts'
import type { Settings } from './settings.ts'

/** The services that can be on this machine. */
export const SERVICES = ['bff', 'relay'] as const
export type ServiceName = (typeof SERVICES)[number]

/** Node's major version that the services run on. */
const SERVICES_NODE = 24

/** How a service ended that was run to its end. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * The service's own main file: of a checkout, or of the folder that it is installed in.
 *
 * @param folder where to look; default: this folder and those above it, then those above this file.
 * @throws {CliError} when it is not there.
 */
export function findService(service: ServiceName, folder: string | undefined): string {
  const places =
    folder === undefined ? [...above(process.cwd()), ...above(fileURLToPath(import.meta.url))] : [resolve(folder)]
  for (const place of places) {
    const inCheckout = ['src/main.ts', 'dist/main.js'].map((file) => join(place, 'packages', service, file))
    const found = [...inCheckout, ...(isFolderOf(service, place) ? [join(place, 'dist/main.js')] : [])].find(existsSync)
    if (found !== undefined) return found
  }
  throw new CliError(
    `there is no ${service} ${folder === undefined ? 'around here' : `in ${folder}`}: name the checkout, or its own folder, with --dir; in Docker: docker compose exec ${service}-1 node dist/main.js --check`,
    EXIT.unreached,
  )
}

function isFolderOf(service: ServiceName, folder: string): boolean {
  try {
    const { name } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name?: string }
    return name === `@llm-ferry/${service}`
  } catch {
    return false
  }
}

function above(path: string): readonly string[] {
  const folder = dirname(path)
  return folder === path ? [path] : [path, ...above(folder)]
}

/** Runs a service to its end. */
export function runService(entry: string, args: readonly string[], env: Settings): Promise<Ended> {
  if (Number(process.versions.node.split('.')[0]) < SERVICES_NODE)
    throw new CliError(
      `the services run on Node.js ${SERVICES_NODE}, and this is ${process.versions.node}: run ferry with that`,
    )
  const flags = [
    '--disable-warning=ExperimentalWarning',
    ...(entry.endsWith('.ts') ? ['--conditions=ferry-source'] : []),
  ]
  const child = spawn(process.execPath, [...flags, entry, ...args], {
    env: { ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stdout, stderr }))
  })
}
