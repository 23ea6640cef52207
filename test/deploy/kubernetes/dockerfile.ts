import { readFileSync } from 'node:fs'

const TEXT = readFileSync(new URL('../../../deploy/Dockerfile', import.meta.url), 'utf8').replaceAll('\\\n', ' ')

/** What an image says for all containers made of it. */
export interface ImageFacts {
  readonly env: Readonly<Record<string, string>>
  readonly stopSignal: NodeJS.Signals
}

/** Reads what a target of deploy/Dockerfile, and those that it builds on, set. */
export function readDockerfile(target: string): ImageFacts {
  const [, base = '', body = ''] =
    new RegExp(`^FROM (\\S+) AS ${target}$(.*?)(?=^FROM |$(?![\\s\\S]))`, 'ms').exec(TEXT) ?? []
  if (base === '') throw new Error(`deploy/Dockerfile has no target ${target}`)
  const below = base.startsWith('$') ? { env: {}, stopSignal: 'SIGTERM' as const } : readDockerfile(base)
  const pairs = [...body.matchAll(/^ENV (.+)$/gm)].flatMap(([, line = '']) => line.trim().split(/\s+/))
  const env = Object.fromEntries(pairs.map((pair) => pair.split(/=(.*)/s).slice(0, 2)))
  const [, signal = below.stopSignal] = /^STOPSIGNAL (\S+)$/m.exec(body) ?? []
  return { env: { ...below.env, ...env }, stopSignal: signal as NodeJS.Signals }
}
