import { existsSync } from 'node:fs'
import { readArguments } from '../arguments.ts'
import { CliError, type Command, EXIT, wrongUse } from '../command.ts'
import { findService, runService, SERVICES, type ServiceName } from '../services.ts'
import { readSettings, type Settings } from '../settings.ts'

const HELP = `ferry config check: check the whole configuration, and show what is in force and where it comes from

  ferry config check [bff|relay] [--env FILE] [--dir FOLDER] [--quiet] [--json]

  Has the service itself look at its settings, as it would at start, without starting it: variables, the files that they
  name, ferry.yaml. All faults are named at once; what is probably not meant is warned of. Secrets are not shown.
  Without a name: the sides that the settings are for.

  --env FILE     file of settings (default .env where there is one); the environment comes before it
  --dir FOLDER   the checkout, or a service's own folder; default: the checkout around this folder or around ferry
  --quiet        print only what is wrong
  --json         print a list with a report for each service

  In Docker, of what runs: docker compose exec bff-1 node dist/main.js --check (relay-1 overseas).

Exit codes: 0 it would start, 1 it would not, 2 wrong command line, 3 there is no service to ask.
`

/** What only one of the sides is told. */
const SIGNS: Readonly<Record<ServiceName, readonly string[]>> = {
  bff: ['BFF_KEYS', 'BFF_KEYS_FILE', 'RELAY_URLS', 'FERRY_CONFIG', 'BFF_ADMIN_TOKEN', 'BFF_ADMIN_TOKEN_FILE'],
  relay: ['RELAY_TOKENS', 'RELAY_TOKENS_FILE', 'RELAY_CONFIG'],
}

export const config: Command = {
  name: 'config',
  summary: 'check the whole configuration; show what is in force and where it comes from',
  help: HELP,
  async run(args, { env, out }) {
    const text = { type: 'string' } as const
    const flag = { type: 'boolean' } as const
    const options = { env: text, dir: text, quiet: flag, json: flag } as const
    const { values, positionals } = readArguments(args, options)
    const [action, name, ...rest] = positionals
    if (action !== 'check' || rest.length > 0) throw wrongUse('ferry config: there is ferry config check [bff|relay]')
    const file = values.env ?? (existsSync('.env') ? '.env' : undefined)
    const services = name === undefined ? sidesOf(readSettings(env, file)) : [known(name)]
    const passed = [
      '--check',
      ...(file === undefined ? [] : ['--env', file]),
      ...(values.json ? ['--json'] : []),
      ...(values.quiet ? ['--quiet'] : []),
    ]
    const found = []
    for (const service of services) found.push(await runService(findService(service, values.dir), passed, env))
    const wordless = found.find(({ stdout }) => stdout === '')
    if (wordless !== undefined) throw new CliError(wordless.stderr.trim() || 'the service ended without a word')
    if (values.json)
      out(
        `${JSON.stringify(
          found.map(({ stdout }) => JSON.parse(stdout) as unknown),
          null,
          2,
        )}\n`,
      )
    else out(found.map(({ stdout }) => stdout).join('\n'))
    if (found.some(({ code }) => code !== 0)) throw new CliError('the configuration cannot be used', EXIT.refused)
  },
}

function known(name: string): ServiceName {
  const service = SERVICES.find((one) => one === name)
  if (service === undefined) throw wrongUse(`ferry config check ${name}: must be ${SERVICES.join(' or ')}`)
  return service
}

function sidesOf(settings: Settings): readonly ServiceName[] {
  const sides = SERVICES.filter((service) => SIGNS[service].some((name) => settings[name]))
  if (sides.length === 0)
    throw wrongUse('the settings are for neither side: name one (ferry config check bff), or a file with --env')
  return sides
}
