import { existsSync, readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import type { ClientCertificate } from '../client-certificate.ts'
import { wrongUse } from './command.ts'

/** Variables of the services, as the commands read them. */
export type Settings = Readonly<Record<string, string | undefined>>

/**
 * The environment over the file's `NAME=value` lines, with secrets of `NAME_FILE` read.
 *
 * @param file `.env` unless another is named; a named one must exist.
 * @throws {CliError} for a file that cannot be read.
 */
export function readSettings(env: Settings, file: string | undefined): Settings {
  const path = file ?? '.env'
  const lines = existsSync(path) || file !== undefined ? parseEnv(read(path, 'the file of settings')) : {}
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''))
  const all: Record<string, string | undefined> = { ...lines, ...given }
  for (const name of [
    'RELAY_TOKEN',
    'REDIS_URL',
    'REDIS_CACHE_URL',
    'HTTPS_PROXY',
    'HTTP_PROXY',
    'FERRY_KEY',
    'OPENAI_API_KEY',
    'ANTHROPIC_API_KEY',
    'GEMINI_API_KEY',
  ]) {
    const secretFile = all[`${name}_FILE`]
    if (secretFile !== undefined && all[name] === undefined) all[name] = read(secretFile, `${name}_FILE`).trim()
  }
  return all
}

function read(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code
    throw wrongUse(`${what}, ${path}, cannot be read (${reason}): correct the path or its permissions`)
  }
}

/** What the relays are shown; undefined where nothing is set. @throws {CliError} for half of it, and for files that cannot be read. */
export function clientCertificate(settings: Settings): ClientCertificate | undefined {
  const { RELAY_CLIENT_CERT_FILE: cert, RELAY_CLIENT_KEY_FILE: key } = settings
  if (!cert && !key) return undefined
  if (!cert) throw wrongUse('RELAY_CLIENT_CERT_FILE is missing: RELAY_CLIENT_KEY_FILE needs its certificate')
  if (!key) throw wrongUse('RELAY_CLIENT_KEY_FILE is missing: RELAY_CLIENT_CERT_FILE needs its key')
  return { cert: read(cert, 'RELAY_CLIENT_CERT_FILE'), key: read(key, 'RELAY_CLIENT_KEY_FILE') }
}

/** The addresses of RELAY_URLS, each host once: `https://a|https://a:8443` are two ways to one host. */
export function relayUrls({ RELAY_URLS = '' }: Settings): readonly URL[] {
  const entries = RELAY_URLS.split(/[,|]/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
  return entries.map((entry) => httpUrl(entry, 'RELAY_URLS'))
}

/** @throws {CliError} naming the setting. */
export function httpUrl(text: string, name: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw wrongUse(`${name} has "${text}", which is no URL such as https://llm-proxy.example.com`)
}
