import { readFileSync } from 'node:fs'
import {
  type AddressSet,
  addressSet,
  bytes,
  type CheckedVariables,
  ConfigError,
  checkVariables,
  choice,
  count,
  type LinkCompression,
  LOG_LEVELS,
  type LogLevel,
  linkCompression,
  list,
  MASK,
  milliseconds,
  type NamedSecret,
  namedSecrets,
  namesOf,
  parseCidr,
  parseOrigin,
  port,
  secret,
  type TlsPair,
  text,
  type ValuesOf,
  type Variable,
  type Variables,
} from '@llm-ferry/kit'
import { type FileConfig, parseFileConfig } from './config-file.ts'
import { parseTimeZone } from './limits/calendar.ts'
import { OUTAGE_POLICIES, type OutagePolicy } from './limits/limits.ts'
import type { LimitPolicy } from './limits/policy.ts'
import { readClientCertificate } from './relay-certificate.ts'
import { parseRedisAddress, type RedisAddress, redisAddressShown } from './store/redis-address.ts'

const cidr = (value: string): string => {
  parseCidr(value)
  return value
}

const oneToken = secret({ doc: '' }).parse
const namedTokens = namedSecrets({ doc: '' }).parse

function parseSessionSecret(text: string): readonly string[] {
  const secrets = text.split(',').map((part) => oneToken(part.trim()))
  if (secrets.length > 2) throw new Error('has more than two secrets: current,previous')
  return secrets
}

function parseAdminTokens(text: string): readonly NamedSecret[] {
  return /^[A-Za-z0-9._-]{1,64}:.{16,}$/.test(text) || text.includes(',')
    ? namedTokens(text)
    : [{ name: 'admin', secret: oneToken(text) }]
}

const variables = {
  PORT: port({ default: 8080, doc: 'Port that applications connect to.' }),
  HOST: text({ default: '0.0.0.0', doc: 'Address to listen on.' }),
  METRICS_PORT: port({ doc: 'Port of /metrics. Absent: /metrics on PORT, behind METRICS_TOKEN.' }),
  METRICS_TOKEN: text({
    doc: 'Bearer token for /metrics on PORT. Absent: /metrics is not served there.',
    secret: true,
  }),
  LOG_LEVEL: choice(LOG_LEVELS, { default: 'info', doc: 'How much is logged.' }),
  NODE_ENV: text({ default: 'production', doc: 'Only named in the log.' }),
  BFF_KEYS: namedSecrets({
    doc: 'Keys that applications call with: name:key, with commas. Needed unless FERRY_CONFIG has keys with a hash, or BFF_ADMIN_TOKEN makes keys.',
  }),
  BFF_ADMIN_TOKEN: {
    parse: parseAdminTokens,
    secret: true,
    shown: namesOf,
    doc: 'Token of the admin API: one, or name:token pairs with commas, whose names stand in audit lines. Absent: there is no admin API.',
  } as Variable<readonly NamedSecret[]>,
  SESSION_SECRET: {
    parse: parseSessionSecret,
    secret: true,
    shown: (secrets: readonly string[]) => secrets.map(() => MASK).join(','),
    doc: 'Secret that session tokens are signed with: current, or current,previous while one takes the other’s place. Absent: there are no session tokens.',
  } as Variable<readonly string[]>,
  ADMIN_PORT: port({ doc: 'Port of the admin API alone. Absent: it is on PORT.' }),
  TRUSTED_PROXIES: list(cidr, {
    doc: 'CIDRs of the proxies in front, with commas. Only their X-Forwarded-For is believed; the rightmost address that is not one of them is the caller. Absent: none.',
  }),
  CORS_ORIGINS: list(parseOrigin, {
    doc: 'Origins whose pages may call from a browser, such as https://app.example.cn, with commas. Absent: none.',
  }),
  RELAY_URLS: list(parseAddresses, {
    doc: 'Relays in order of preference; addresses of one host with | between them: https://a.example|https://a.example:8443. Needed unless every vendor is called directly.',
  }),
  RELAY_TOKEN: secret({ doc: 'Token that the relays know this BFF by.' }),
  RELAY_CLIENT_CERT_FILE: text({
    doc: 'PEM file of the certificate that this BFF shows its relays, with those that lead to its authority; needed where they, or the nginx in front, take callers with a certificate only. A renewed one is taken without a restart.',
  }),
  RELAY_CLIENT_KEY_FILE: text({ doc: 'PEM file of the key that belongs to RELAY_CLIENT_CERT_FILE.' }),
  LINK_COMPRESSION: linkCompression,
  FERRY_CONFIG: text({ doc: 'Path of the YAML file with vendors, models and aliases (docs/configuration.md).' }),
  MAX_BODY_BYTES: bytes({ default: 10_485_760, doc: 'Largest request body.' }),
  MAX_UPLOAD_BYTES: bytes({
    default: 536_870_912,
    doc: 'Largest upload, which streams: multipart forms, and files of keys with native: full.',
  }),
  REQUEST_TIMEOUT_MS: milliseconds({
    default: 60_000,
    doc: 'A whole plain answer, or the first event of a stream, over all attempts, pauses and fallbacks.',
  }),
  MAX_REQUEST_TIMEOUT_MS: milliseconds({ default: 600_000, doc: 'Longest time that a caller may ask for.' }),
  STREAM_IDLE_TIMEOUT_MS: milliseconds({ default: 300_000, doc: 'Longest silence between two events of a stream.' }),
  STREAM_HEARTBEAT_MS: milliseconds({
    default: 15_000,
    doc: 'A stream’s head goes out after this time even without an event, and comments follow at this pace.',
  }),
  DRAIN_TIMEOUT_MS: milliseconds({ default: 600_000, doc: 'How long running calls may go on after SIGTERM.' }),
  DETACH_GRACE_MS: milliseconds({
    default: 10_000,
    doc: 'How long a call with an Idempotency-Key works on when its caller’s connection is lost.',
  }),
  IDEMPOTENCY_TTL_MS: milliseconds({
    default: 600_000,
    doc: 'How long the answer to a call with an Idempotency-Key can be had again.',
  }),
  MAX_RETRIES: count({ default: 3, max: 10, doc: 'Attempts after the first, over all targets of a call.' }),
  RETRY_BUDGET_PERCENT: count({
    default: 20,
    max: 100,
    doc: 'Repeats at a target that failed already, for each 100 calls of a key; 10 a minute are always allowed.',
  }),
  RATE_LIMIT_RPM: count({ default: 60, min: 1, doc: 'Requests a minute per key, end user and vendor.' }),
  DAILY_QUOTA: count({ default: 1000, min: 1, doc: 'Requests a day per key, end user and vendor.' }),
  KEY_RATE_LIMIT_RPM: count({ default: 600, min: 1, doc: 'Requests a minute per key.' }),
  KEY_DAILY_QUOTA: count({ default: 10_000, min: 1, doc: 'Requests a day per key.' }),
  QUOTA_TIMEZONE: {
    parse: parseTimeZone,
    default: 'Asia/Shanghai',
    doc: 'Time zone whose days and months quotas are counted in.',
  },
  REDIS_URL: {
    parse: parseRedisAddress,
    shown: redisAddressShown,
    doc:
      'Redis that the BFF processes share: redis://, rediss://, redis+sentinel://HOSTS/MASTER or redis+cluster://HOSTS. ' +
      'Absent: each process counts for itself and forgets when it ends.',
    secret: true,
  },
  REDIS_CACHE_URL: {
    parse: parseRedisAddress,
    shown: redisAddressShown,
    doc:
      'Redis for the cache of answers alone, best with maxmemory and maxmemory-policy allkeys-lru. Absent: answers stand in ' +
      'REDIS_URL’s, within CACHE_MAX_BYTES, or in this process.',
    secret: true,
  },
  CACHE_MAX_BYTES: bytes({
    default: 134_217_728,
    doc: 'Most that the cache of answers takes in REDIS_URL’s Redis, or in this process. In REDIS_CACHE_URL’s its maxmemory counts.',
  }),
  CACHE_MAX_ENTRY_BYTES: bytes({
    default: 65_536,
    doc: 'Largest answer that is cached, compressed.',
  }),
  REDIS_TIMEOUT_MS: milliseconds({ default: 250, doc: 'Longest wait of a call for an answer of Redis.' }),
  REDIS_OUTAGE: choice(OUTAGE_POLICIES, {
    default: 'open',
    doc: 'While Redis is away: open, each process counts for itself; closed, calls get 503.',
  }),
  CALL_LEASE_MS: milliseconds({
    default: 60_000,
    doc: 'How long a call is held for a process that has died; a living one renews it in a third of that.',
  }),
  SPOOL_DIR: text({
    default: '.ferry/spool',
    doc: 'Folder, best on a disk that outlives the process, for what waits for Redis to come back.',
  }),
  LEDGER_FILE: text({
    doc: 'File that a JSON line for each call is appended to; -: stdout. Absent: calls are only summed up.',
  }),
} as const

/** The BFF's environment. The entries' `doc` fields are the reference. */
export const bffVariables: Variables = variables

type Values = ValuesOf<typeof variables>

/** The BFF's configuration, read once at start. */
export interface BffConfig {
  readonly port: number
  readonly host: string
  readonly metricsPort: number | undefined
  readonly metricsToken: string | undefined
  readonly logLevel: LogLevel
  /** Keys of BFF_KEYS. */
  readonly keys: readonly NamedSecret[]
  readonly trustedProxies: AddressSet
  /** Empty: there is no admin API. */
  readonly adminTokens: readonly NamedSecret[]
  readonly adminPort: number | undefined
  /** What session tokens are signed with: current, then previous. Empty: there are none. */
  readonly sessionSecrets: readonly string[]
  /** Origins whose pages may call from a browser. */
  readonly corsOrigins: readonly URL[]
  /** Each relay's addresses. */
  readonly relayUrls: readonly (readonly URL[])[]
  readonly relayToken: string | undefined
  readonly linkCompression: LinkCompression
  /** What the relays are shown. */
  readonly clientCertificate: TlsPair | undefined
  readonly maxBodyBytes: number
  readonly maxUploadBytes: number
  readonly requestTimeoutMs: number
  readonly maxRequestTimeoutMs: number
  readonly streamIdleTimeoutMs: number
  readonly streamHeartbeatMs: number
  readonly drainTimeoutMs: number
  readonly detachGraceMs: number
  readonly idempotencyTtlMs: number
  readonly maxRetries: number
  /** Repeats for each 100 calls of a key. */
  readonly retryBudgetPercent: number
  /** Limits of every key, before FERRY_CONFIG. */
  readonly limits: LimitPolicy
  readonly quotaTimezone: string
  readonly redis: RedisAddress | undefined
  readonly redisCache: RedisAddress | undefined
  readonly cacheMaxBytes: number
  readonly cacheMaxEntryBytes: number
  readonly redisTimeoutMs: number
  readonly redisOutage: OutagePolicy
  readonly callLeaseMs: number
  readonly spoolDir: string
  readonly ledgerFile: string | undefined
  readonly file: FileConfig
  /** Files that are read again when they change: those of the certificate. */
  readonly files: readonly string[]
}

/**
 * Reads the environment and the file that FERRY_CONFIG names.
 *
 * @throws {ConfigError} naming every variable or field at fault and what to do.
 */
export function readConfig(env: NodeJS.ProcessEnv): BffConfig {
  const { faults, config } = inspectConfig(env)
  if (config === undefined) throw new ConfigError(faults)
  return config
}

/** Values of variables that are looked at more closely; absent: not set, or at fault. */
export interface InspectedValues {
  readonly HOST?: string | undefined
  readonly METRICS_PORT?: number | undefined
  readonly METRICS_TOKEN?: string | undefined
  readonly ADMIN_PORT?: number | undefined
  readonly BFF_ADMIN_TOKEN?: readonly NamedSecret[] | undefined
  readonly TRUSTED_PROXIES?: readonly string[] | undefined
  readonly CORS_ORIGINS?: readonly URL[] | undefined
  readonly RELAY_URLS?: readonly (readonly URL[])[] | undefined
  readonly FERRY_CONFIG?: string | undefined
  readonly MAX_REQUEST_TIMEOUT_MS?: number | undefined
  readonly REDIS_URL?: RedisAddress | undefined
  readonly REDIS_CACHE_URL?: RedisAddress | undefined
  readonly SPOOL_DIR?: string | undefined
  readonly LEDGER_FILE?: string | undefined
}

/** What can be said of a configuration, usable or not. */
export interface Inspected {
  /** Every variable or field at fault and what to do, as sentences. */
  readonly faults: readonly string[]
  readonly values: InspectedValues
  /** Absent: it cannot be used. */
  readonly file: FileConfig | undefined
  readonly config: BffConfig | undefined
}

/** Reads what {@link readConfig} reads, and tells what is there also where it cannot be used. */
export function inspectConfig(env: NodeJS.ProcessEnv): Inspected {
  const checked = checkVariables(variables, env)
  const { values } = checked
  const { file, faults: fileFaults } = checkFile(values.FERRY_CONFIG, env)
  const { certificate, faults: certificateFaults } = checkCertificate(values)
  const faults = [...checked.faults.values(), ...fileFaults, ...certificateFaults, ...crossFaults(checked, file)]
  const isUsable = faults.length === 0 && file !== undefined
  return { faults, values, file, config: isUsable ? configOf(values as Values, file, certificate) : undefined }
}

function configOf(values: Values, file: FileConfig, clientCertificate: TlsPair | undefined): BffConfig {
  return {
    port: values.PORT,
    host: values.HOST,
    metricsPort: values.METRICS_PORT,
    metricsToken: values.METRICS_TOKEN,
    logLevel: values.LOG_LEVEL,
    keys: values.BFF_KEYS ?? [],
    adminTokens: values.BFF_ADMIN_TOKEN ?? [],
    adminPort: values.ADMIN_PORT,
    sessionSecrets: values.SESSION_SECRET ?? [],
    trustedProxies: addressSet(values.TRUSTED_PROXIES ?? []),
    corsOrigins: values.CORS_ORIGINS ?? [],
    relayUrls: values.RELAY_URLS ?? [],
    relayToken: values.RELAY_TOKEN,
    linkCompression: values.LINK_COMPRESSION,
    clientCertificate,
    maxBodyBytes: values.MAX_BODY_BYTES,
    maxUploadBytes: values.MAX_UPLOAD_BYTES,
    requestTimeoutMs: values.REQUEST_TIMEOUT_MS,
    maxRequestTimeoutMs: values.MAX_REQUEST_TIMEOUT_MS,
    streamIdleTimeoutMs: values.STREAM_IDLE_TIMEOUT_MS,
    streamHeartbeatMs: values.STREAM_HEARTBEAT_MS,
    drainTimeoutMs: values.DRAIN_TIMEOUT_MS,
    detachGraceMs: values.DETACH_GRACE_MS,
    idempotencyTtlMs: values.IDEMPOTENCY_TTL_MS,
    maxRetries: values.MAX_RETRIES,
    retryBudgetPercent: values.RETRY_BUDGET_PERCENT,
    limits: limitsOf(values),
    quotaTimezone: values.QUOTA_TIMEZONE,
    redis: values.REDIS_URL,
    redisCache: values.REDIS_CACHE_URL,
    cacheMaxBytes: values.CACHE_MAX_BYTES,
    cacheMaxEntryBytes: values.CACHE_MAX_ENTRY_BYTES,
    redisTimeoutMs: values.REDIS_TIMEOUT_MS,
    redisOutage: values.REDIS_OUTAGE,
    callLeaseMs: values.CALL_LEASE_MS,
    spoolDir: values.SPOOL_DIR,
    ledgerFile: values.LEDGER_FILE,
    file,
    files: [values.RELAY_CLIENT_CERT_FILE, values.RELAY_CLIENT_KEY_FILE].filter((name) => name !== undefined),
  }
}

/** The certificate for the relays, or why it cannot be used. */
function checkCertificate(values: Partial<Values>): { certificate: TlsPair | undefined; faults: readonly string[] } {
  const { RELAY_CLIENT_CERT_FILE: cert, RELAY_CLIENT_KEY_FILE: key, RELAY_URLS: relays } = values
  try {
    const certificate = readClientCertificate(['RELAY_CLIENT_CERT_FILE', cert], ['RELAY_CLIENT_KEY_FILE', key])
    const isOfUse = relays === undefined || relays.flat().some(({ protocol }) => protocol === 'https:')
    if (certificate === undefined || isOfUse) return { certificate, faults: [] }
    return {
      certificate,
      faults: ['RELAY_CLIENT_CERT_FILE is of no use: no address of RELAY_URLS begins with https://'],
    }
  } catch (error) {
    if (error instanceof ConfigError) return { certificate: undefined, faults: error.faults }
    throw error
  }
}

/** One relay: an address, or several of one host. */
function parseAddresses(text: string): readonly URL[] {
  return text.split('|').map((address) => parseOrigin(address.trim()))
}

function limitsOf(values: Values): LimitPolicy {
  return {
    requestsPerMinute: values.RATE_LIMIT_RPM,
    requestsPerDay: values.DAILY_QUOTA,
    keyRequestsPerMinute: values.KEY_RATE_LIMIT_RPM,
    keyRequestsPerDay: values.KEY_DAILY_QUOTA,
    tokensPerMinute: undefined,
    tokensPerDay: undefined,
    costNanosPerDay: undefined,
    costNanosPerMonth: undefined,
    streams: undefined,
  }
}

function readFile(path: string | undefined, env: NodeJS.ProcessEnv): FileConfig {
  if (path === undefined) return parseFileConfig('', 'FERRY_CONFIG', env)
  try {
    return parseFileConfig(readFileSync(path, 'utf8'), path, env)
  } catch (error) {
    if (error instanceof ConfigError) throw error
    const reason = (error as NodeJS.ErrnoException).code
    throw new ConfigError([
      `FERRY_CONFIG names ${path}, which cannot be read (${reason}): correct the path or its permissions`,
    ])
  }
}

/** What the file says, or why it cannot be used. */
function checkFile(
  path: string | undefined,
  env: NodeJS.ProcessEnv,
): { file: FileConfig | undefined; faults: readonly string[] } {
  try {
    return { file: readFile(path, env), faults: [] }
  } catch (error) {
    if (error instanceof ConfigError) return { file: undefined, faults: error.faults }
    throw error
  }
}

/** Faults between fields. One that is at fault itself is passed over: it has its own sentence. */
function crossFaults({ values, faults }: CheckedVariables<typeof variables>, file: FileConfig | undefined): string[] {
  return [
    ...keyFaults(values, faults, file),
    ...relayFaults(values, faults, file),
    ...timeoutFaults(values),
    ...cacheFaults(values),
    ...portFaults(values),
  ]
}

function portFaults({ PORT, METRICS_PORT, ADMIN_PORT }: Partial<Values>): string[] {
  const used = Object.entries({ PORT, METRICS_PORT, ADMIN_PORT }).filter(([, value]) => value)
  return used.flatMap(([name, value], index) => {
    const [other] = used.slice(0, index).find(([, taken]) => taken === value) ?? []
    return other === undefined ? [] : [`${name} is ${value}, which ${other} has already: give it a port of its own`]
  })
}

function relayFaults(
  values: Partial<Values>,
  known: ReadonlyMap<string, string>,
  file: FileConfig | undefined,
): string[] {
  const faults: string[] = []
  const relayed = file?.vendors.filter((vendor) => vendor.route.kind === 'relay').map((vendor) => vendor.name) ?? []
  const hasUrls = known.has('RELAY_URLS') || Boolean(values.RELAY_URLS?.length)
  if (relayed.length > 0 && !hasUrls) {
    faults.push(`RELAY_URLS is missing: ${relayed.join(', ')} go through a relay; set it to the relay's address`)
  }
  if ((relayed.length > 0 || hasUrls) && !known.has('RELAY_TOKEN') && !values.RELAY_TOKEN) {
    faults.push('RELAY_TOKEN is missing: set it to one of the tokens in the relay’s RELAY_TOKENS')
  }
  return faults
}

function keyFaults(
  { BFF_KEYS = [], BFF_ADMIN_TOKEN }: Partial<Values>,
  known: ReadonlyMap<string, string>,
  file: FileConfig | undefined,
): string[] {
  if (known.has('BFF_KEYS') || file === undefined) return []
  const names = new Set(BFF_KEYS.map(({ name }) => name))
  const faults = [...file.keys]
    .filter(([name, { hash }]) => !names.has(name) && hash === undefined)
    .map(
      ([name]) => `FERRY_CONFIG: keys.${name} is no key of BFF_KEYS: correct the name, add the key, or give its hash`,
    )
  if (names.size > 0 || file.keys.size > 0 || BFF_ADMIN_TOKEN !== undefined || known.has('BFF_ADMIN_TOKEN'))
    return faults
  return ['BFF_KEYS is missing: set it to name:key pairs, such as BFF_KEYS=voicebox:$(openssl rand -hex 24)']
}

function timeoutFaults({ REQUEST_TIMEOUT_MS: usual, MAX_REQUEST_TIMEOUT_MS: longest }: Partial<Values>): string[] {
  if (usual === undefined || longest === undefined || usual <= longest) return []
  return ['REQUEST_TIMEOUT_MS is longer than MAX_REQUEST_TIMEOUT_MS: raise the one or lower the other']
}

function cacheFaults({ CACHE_MAX_BYTES: all, CACHE_MAX_ENTRY_BYTES: one }: Partial<Values>): string[] {
  if (all === undefined || one === undefined || one <= all) return []
  return ['CACHE_MAX_ENTRY_BYTES is more than CACHE_MAX_BYTES: lower the one or raise the other']
}
