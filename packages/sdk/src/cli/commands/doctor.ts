import { readArguments } from '../arguments.ts'
import { CliError, type Command } from '../command.ts'
import { diagnose } from '../doctor/diagnose.ts'
import type { Finding } from '../doctor/finding.ts'
import { readSettings } from '../settings.ts'

const HELP = `ferry doctor: look at everything between here and the vendors, and say what to mend

  ferry doctor [--env FILE] [--json]

  Reads the environment and FILE (default .env), as the services do, and checks what is set:
    RELAY_URLS, RELAY_TOKEN        each relay: DNS, TCP, TLS, certificate, clock, round trips, token, vendor keys
    RELAY_CLIENT_CERT_FILE, …KEY…  the certificate for the relays: its key, its days, whether they take it
    REDIS_URL                      Redis: reachable, version, eviction policy, persistence; sentinels, cluster
    FERRY_URL, FERRY_KEY           the BFF, as applications see it: DNS, TCP, TLS, clock, key
    OPENAI_API_KEY, …              (on a relay’s host) each vendor, asked directly with each key
  and whether the versions of ferry, BFF and relays are the same.
  Nothing is billed: vendors are asked for their lists of models. Exit code 1 when something fails.
`

const MARKS = { ok: '✓', warn: '!', fail: '✗' } as const

export const doctor: Command = {
  name: 'doctor',
  summary: 'look at everything between here and the vendors, and say what to mend',
  help: HELP,
  async run(args, { env, out }) {
    const { values } = readArguments(args, { env: { type: 'string' }, json: { type: 'boolean' } })
    const found = await diagnose(readSettings(env, values.env))
    if (values.json) out(`${JSON.stringify(found, null, 2)}\n`)
    else out(found.map(lineOf).join(''))
    const failed = found.filter(({ state }) => state === 'fail').length
    if (failed > 0) throw new CliError(`${failed} to mend`)
    if (!values.json) out('\nAll is well enough to serve.\n')
  },
}

function lineOf({ check, subject, state, detail, todo }: Finding): string {
  const line = `${MARKS[state]} ${check.padEnd(12)}${subject}: ${detail}\n`
  return todo === undefined ? line : `${line}  → ${todo}\n`
}
