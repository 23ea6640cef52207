import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { loadEnvFile } from 'node:process'
import { bffVariables } from '@llm-ferry/bff'
import { ConfigError, namedSecrets, port, readEnvFile, readVariables } from '@llm-ferry/kit'
import { relayVariables } from '@llm-ferry/relay'

/** The vendors that are shown. */
export const VENDORS = ['openai', 'anthropic', 'gemini'] as const
export type Vendor = (typeof VENDORS)[number]

/** Variables of `npm start` itself. */
export const startVariables = {
  RELAY_PORT: port({ default: 3000, doc: 'Port of the relay.' }),
  BFF_PORT: port({ default: 8080, doc: 'Port of the BFF.' }),
} as const

/** Secrets that are made up when nobody sets them; the first of each is shown and used. */
const secretVariables = {
  RELAY_TOKENS: namedSecrets({ doc: '' }),
  BFF_KEYS: namedSecrets({ doc: '' }),
} as const

/** The models that the first chat is shown with. */
const MODELS: Readonly<Record<Vendor, string>> = {
  openai: 'gpt-5.4-mini',
  anthropic: 'claude-haiku-4-5',
  gemini: 'gemini-3.5-flash',
}

/** What `npm start` will start. */
export interface StartPlan {
  readonly relayPort: number
  readonly bffPort: number
  readonly relayUrl: string
  readonly bffUrl: string
  readonly relayToken: string
  readonly bffKey: string
  readonly models: Readonly<Record<Vendor, string>>
  /** Vendors without a key, which the sandbox plays. */
  readonly sandboxed: readonly Vendor[]
  /** Variables that would bring the real vendors. */
  readonly missingKeys: readonly string[]
  relayEnv(sandboxUrl: string | undefined): NodeJS.ProcessEnv
  bffEnv(): NodeJS.ProcessEnv
}

/**
 * Reads `.env` and the environment (which wins).
 *
 * @throws {ConfigError} for values that cannot be used.
 */
export function planStart(env: NodeJS.ProcessEnv, dotenv = '.env'): StartPlan {
  readDotenv(dotenv)
  const { RELAY_PORT: relayPort, BFF_PORT: bffPort } = readVariables(startVariables, env)
  if (relayPort === bffPort)
    throw new ConfigError([`RELAY_PORT and BFF_PORT are both ${relayPort}: give each a port of its own`])
  const sandboxed = VENDORS.filter((vendor) => !isSet(env, keyName(vendor)))
  const { RELAY_TOKENS, BFF_KEYS } = readVariables(secretVariables, env)
  const relayToken = RELAY_TOKENS?.[0]?.secret ?? randomBytes(24).toString('hex')
  const bffKey = BFF_KEYS?.[0]?.secret ?? randomBytes(24).toString('hex')
  const relayUrl = `http://127.0.0.1:${relayPort}`
  return {
    relayPort,
    bffPort,
    relayUrl,
    bffUrl: `http://127.0.0.1:${bffPort}`,
    relayToken,
    bffKey,
    models: MODELS,
    sandboxed,
    missingKeys: sandboxed.map(keyName),
    relayEnv: (sandboxUrl) => ({
      METRICS_PORT: '0',
      ...common(env),
      ...(RELAY_TOKENS ? {} : { RELAY_TOKENS: `start:${relayToken}` }),
      ...overrides(env, 'RELAY'),
      PORT: String(relayPort),
      ...Object.fromEntries(sandboxed.flatMap((vendor) => sandboxVariables(vendor, sandboxUrl))),
    }),
    bffEnv: () => ({
      RELAY_URLS: relayUrl,
      ...withoutRelaysOwn(common(env)),
      ...(BFF_KEYS ? {} : { BFF_KEYS: `start:${bffKey}` }),
      ...(isSet(env, 'RELAY_TOKEN') ? {} : { RELAY_TOKEN: relayToken }),
      ...(isSet(env, 'SESSION_SECRET') ? {} : { SESSION_SECRET: randomBytes(32).toString('hex') }),
      ...overrides(env, 'BFF'),
      PORT: String(bffPort),
    }),
  }
}

function readDotenv(path: string): void {
  if (!existsSync(path)) return
  readEnvFile(path)
  loadEnvFile(path)
}

function isSet(env: NodeJS.ProcessEnv, name: string): boolean {
  return Boolean(env[name] || env[`${name}_FILE`])
}

function keyName(vendor: Vendor): string {
  return `${vendor.toUpperCase()}_API_KEY`
}

function sandboxVariables(vendor: Vendor, url: string | undefined): [string, string][] {
  if (url === undefined) return []
  return [
    [keyName(vendor), `sandbox-key-of-${vendor}`],
    [`${vendor.toUpperCase()}_UPSTREAM`, url],
  ]
}

/** The environment as both services see it. What is made up here listens on this machine only. */
function common(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { PORT: _, ...rest } = env
  const noProxy = [env.NO_PROXY ?? env.no_proxy, 'localhost', '127.0.0.1'].filter(Boolean).join(',')
  return {
    HOST: '127.0.0.1',
    // Reasoning models think for minutes, and openai's SDK does not say how long it waits.
    REQUEST_TIMEOUT_MS: '600000',
    ...rest,
    FERRY_STOP_WITH_PARENT: '1',
    NO_PROXY: noProxy,
    no_proxy: noProxy,
  }
}

/** The vendors' keys and the other tokens are the relay's business alone. */
function withoutRelaysOwn(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const own = Object.keys(relayVariables).filter((name) => !Object.hasOwn(bffVariables, name))
  const hidden = new Set(own.flatMap((name) => [name, `${name}_FILE`]))
  return Object.fromEntries(Object.entries(env).filter(([name]) => !hidden.has(name)))
}

/** `RELAY_X` and `BFF_X` for those X that both services know. */
function overrides(env: NodeJS.ProcessEnv, prefix: 'RELAY' | 'BFF'): NodeJS.ProcessEnv {
  const shared = Object.keys(relayVariables).filter((name) => Object.hasOwn(bffVariables, name))
  const named = shared.map((name) => [name, env[`${prefix}_${name}`]] as const)
  return Object.fromEntries(named.filter(([, value]) => value))
}
