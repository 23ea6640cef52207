import type { Variables } from '../env.ts'
import type { Settings } from '../env-file.ts'
import { nearest } from '../nearest.ts'
import type { Warning } from './check.ts'
import { secretFileWarnings } from './files.ts'

/** What every service's settings may have: files that others can read, names that are nearly right, doubled lines. */
export function settingsWarnings(variables: Variables, settings: Settings): readonly Warning[] {
  const { env, files } = settings
  const secrets = Object.keys(variables).filter((name) => variables[name]?.secret)
  const secretFiles = secrets.map((name) => env[`${name}_FILE`]).filter((path) => path !== undefined)
  const holding = files.filter(({ values }) => secrets.some((name) => values[name])).map(({ path }) => path)
  return [
    ...[...new Set([...secretFiles, ...holding])].flatMap(secretFileWarnings),
    ...misspelt(variables, settings),
    ...files.flatMap(({ path, lines }) =>
      [...lines]
        .filter(([, places]) => places.length > 1)
        .map(([name, places]) => ({
          text: `${path} sets ${name} on the lines ${places.join(', ')}; the last one counts`,
          todo: 'keep one of them',
        })),
    ),
  ]
}

function misspelt(variables: Variables, { env, files }: Settings): readonly Warning[] {
  const known = Object.entries(variables).flatMap(([name, { secret }]) => (secret ? [name, `${name}_FILE`] : [name]))
  const isKnown = new Set(known)
  const inFiles = files.flatMap(({ path, values, lines }) =>
    Object.keys(values).map((name) => ({ name, place: `${path}:${lines.get(name)?.at(-1) ?? 1}` })),
  )
  const inEnvironment = Object.keys(env)
    .filter((name) => !inFiles.some((one) => one.name === name))
    .map((name) => ({ name, place: 'the environment' }))
  return [...inFiles, ...inEnvironment].flatMap(({ name, place }) => {
    const meant = isKnown.has(name) || env[name] === undefined ? undefined : nearest(name, known)
    // A name beside the one that it resembles is probably another program's.
    if (meant === undefined || env[meant] !== undefined) return []
    return [
      { text: `${place} sets ${name}, which is no variable of this service`, todo: `write ${meant}, if that is meant` },
    ]
  })
}
