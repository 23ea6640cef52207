import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readArguments } from '../arguments.ts'
import { type Asker, createAsker } from '../asker.ts'
import { type Command, wrongUse } from '../command.ts'
import { httpUrl } from '../settings.ts'

const HELP = `ferry init: ask a few questions and write the settings of one side

  ferry init [--dir FOLDER]

  Asks which side this machine is and what it needs, makes up tokens, and writes .env (readable by its owner only) and, for
  the domestic side, ferry.yaml. Existing files are never overwritten.
`

const makeSecret = (): string => randomBytes(24).toString('hex')

export const init: Command = {
  name: 'init',
  summary: 'ask a few questions and write .env (and ferry.yaml) for one side',
  help: HELP,
  async run(args, { out }) {
    const { values } = readArguments(args, { dir: { type: 'string', default: '.' } })
    for (const name of ['.env', 'ferry.yaml']) {
      const file = join(values.dir, name)
      if (existsSync(file)) throw wrongUse(`${file} exists: move it away, or write elsewhere with --dir`)
    }
    const asker = createAsker(out)
    const side = await choose(asker, 'Is this machine overseas (relay) or domestic (bff)?', ['relay', 'bff'])
    const made = side === 'relay' ? await relayFiles(asker) : await bffFiles(asker)
    mkdirSync(values.dir, { recursive: true })
    for (const [name, text] of Object.entries(made.files)) {
      // `wx`: nobody made it meanwhile.
      writeFileSync(join(values.dir, name), text, { mode: 0o600, flag: 'wx' })
      out(`wrote ${join(values.dir, name)}\n`)
    }
    out(`${made.next.join('\n')}\n`)
  },
}

interface Made {
  readonly files: Readonly<Record<string, string>>
  readonly next: readonly string[]
}

async function relayFiles(ask: Asker): Promise<Made> {
  const keys: string[] = []
  for (const name of ['OPENAI_API_KEY', 'ANTHROPIC_API_KEY', 'GEMINI_API_KEY']) {
    const key = await plain(ask, `${name} (empty: not used)`, '')
    if (key !== '') keys.push(`${name}=${key}`)
  }
  if (keys.length === 0) throw wrongUse('a relay without a vendor’s key serves nobody: have one at hand and run again')
  const token = makeSecret()
  const lines = [
    '# Relay. Every variable: .env.example',
    ...keys,
    `RELAY_TOKENS=bff:${token}`,
    '# nginx on this host is in front; without it the relay would take nginx for the caller.',
    'HOST=127.0.0.1',
    'TRUSTED_PROXIES=127.0.0.1/32',
    '# Reasoning models think for minutes, and openai’s SDK does not say how long it waits.',
    'REQUEST_TIMEOUT_MS=600000',
  ]
  const next = ['', 'On the domestic side give this to `ferry init` as the relay’s token:', `  ${token}`]
  return { files: { '.env': `${lines.join('\n')}\n` }, next }
}

async function bffFiles(ask: Asker): Promise<Made> {
  const urls = await plain(ask, 'Addresses of the relays, best first, with commas', 'https://llm-proxy.example.com')
  for (const url of urls.split(',')) httpUrl(url.trim(), 'the addresses')
  const token = await plain(ask, 'The relay’s token', '')
  if (token.length < 16) throw wrongUse('a relay’s token has 16 characters or more: `ferry init` overseas prints it')
  const app = await plain(ask, 'Name of the first application', 'voicebox')
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(app)) throw wrongUse('a name has letters, digits, ".", "_" and "-" only')
  const redis = await plain(ask, 'REDIS_URL', 'redis://127.0.0.1:6379/0')
  const port = await plain(ask, 'Port (VoiceBox has 8080)', '8081')
  const key = makeSecret()
  const lines = [
    '# BFF. Every variable: .env.example',
    `BFF_KEYS=${app}:${key}`,
    `RELAY_URLS=${urls}`,
    `RELAY_TOKEN=${token}`,
    `REDIS_URL=${redis}`,
    'HOST=127.0.0.1',
    `PORT=${port}`,
    'METRICS_PORT=9091',
    'FERRY_CONFIG=ferry.yaml',
  ]
  const yaml = [
    '# Aliases, fallbacks, limits and prices: docs/configuration.md',
    'aliases:',
    '  chat: [openai/gpt-5.4-mini, anthropic/claude-haiku-4-5]',
    'keys:',
    `  ${app}:`,
    '    limits: { requestsPerDay: 5000 }',
  ]
  const next = ['', `${app} calls http://127.0.0.1:${port}/v1 with this key:`, `  ${key}`, '', 'Now: ferry doctor']
  return { files: { '.env': `${lines.join('\n')}\n`, 'ferry.yaml': `${yaml.join('\n')}\n` }, next }
}

async function choose(ask: Asker, question: string, words: readonly string[]): Promise<string> {
  for (let attempt = 0; attempt < 3; attempt++) {
    const answer = await ask(`${question} [${words.join('/')}] `)
    if (words.includes(answer)) return answer
  }
  throw wrongUse(`answer ${words.join(' or ')}`)
}

async function plain(ask: Asker, question: string, usual: string): Promise<string> {
  const answer = await ask(`${question}${usual === '' ? '' : ` [${usual}]`}: `)
  if (/[\r\n]/.test(answer)) throw wrongUse('an answer is one line')
  return answer === '' ? usual : answer
}
