import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import {
  type AddressSet,
  addressSet,
  bytes,
  ConfigError,
  checkVariables,
  choice,
  count,
  keyPool,
  type LinkCompression,
  LOG_LEVELS,
  type LogLevel,
  linkCompression,
  list,
  milliseconds,
  namedSecrets,
  origin,
  parseCidr,
  port,
  readTlsPair,
  type TlsPair,
  text,
  type ValuesOf,
  type Variable,
  type Variables,
  withoutUrlSecrets,
} from '@llm-ferry/kit'
import { type ConfigFile, readConfigFile } from './config-file.ts'
import type { KeptBytes } from './link/replay-buffer.ts'
import type { TokenConfig } from './tokens.ts'
import { otlpHeaders, share, type TracingSettings } from './tracing/index.ts'
import { builtInVendors, type VendorConfig } from './vendors.ts'

const cidr = (value: string): string => {
  parseCidr(value)
  return value
}

const table = {
  PORT: port({ default: 3000, doc: 'Port that callers connect to.' }),
  HOST: text({ default: '0.0.0.0', doc: 'Address to listen on.' }),
  RELAY_WORKERS: count({
    min: 1,
    max: 64,
    default: 1,
    doc: 'Processes that serve, each on a port of its own: PORT, PORT+1, … for the proxy in front to choose from. Limits hold for each. METRICS_PORT sums them.',
  }),
  METRICS_PORT: port({
    default: 9090,
    doc: 'Port of the Prometheus page /metrics. Keep it unreachable from outside.',
  }),
  TLS_CERT_FILE: text({
    doc: 'PEM file with the certificate and its chain, where no proxy is in front: PORT then speaks TLS, with HTTP/1.1 and HTTP/2. Read again when it changes.',
  }),
  TLS_KEY_FILE: text({ doc: 'PEM file with the key of TLS_CERT_FILE. Read again when it changes.' }),
  LOG_LEVEL: choice(LOG_LEVELS, {
    default: 'info',
    doc: 'Least severe level that is logged; access lines are `info`.',
  }),
  NODE_ENV: text({ default: 'production', doc: 'Usual Node.js meaning; the relay behaves the same in all of them.' }),

  RELAY_TOKENS: namedSecrets({
    doc: 'Tokens that callers present, as name:token with commas. At least one, here or in RELAY_CONFIG.',
    secret: true,
  }),
  RELAY_ALLOWED_IPS: list(cidr, {
    doc: 'Addresses and CIDRs that may call /proxy, with commas. Absent: all.',
  }),
  TRUSTED_PROXIES: list(cidr, {
    doc: 'CIDRs of the proxies in front, with commas. Only their X-Forwarded-For and X-Forwarded-Proto are believed; the rightmost address that is not one of them is the caller. Absent: none.',
  }),
  PUBLIC_URL: origin({
    doc: "The relay's own URL as callers reach it, for URLs in vendors' answers that must lead back here. Absent: made from the request's Host.",
  }),
  RELAY_CONFIG: text({
    doc: 'YAML file with further vendors and with tokens that have limits (docs/relay.md). Read again when it changes.',
  }),

  OPENAI_API_KEY: keyPool({ doc: 'OpenAI key, or several with commas: a pool.' }),
  ANTHROPIC_API_KEY: keyPool({ doc: 'Anthropic key, or several with commas: a pool.' }),
  GEMINI_API_KEY: keyPool({ doc: 'Gemini key, or several with commas: a pool.' }),
  OPENAI_UPSTREAM: origin({
    default: new URL('https://api.openai.com'),
    doc: 'Where /proxy/openai leads: an origin, with an optional path prefix.',
  }),
  ANTHROPIC_UPSTREAM: origin({
    default: new URL('https://api.anthropic.com'),
    doc: 'Where /proxy/anthropic leads: an origin, with an optional path prefix.',
  }),
  GEMINI_UPSTREAM: origin({
    default: new URL('https://generativelanguage.googleapis.com'),
    doc: 'Where /proxy/gemini leads: an origin, with an optional path prefix.',
  }),

  REQUEST_TIMEOUT_MS: milliseconds({
    default: 60_000,
    doc: "Wait for the head of the vendor's answer when the caller does not say how long. Reasoning models take minutes, and openai's SDK says nothing: 600000 suits them.",
  }),
  MAX_REQUEST_TIMEOUT_MS: milliseconds({
    default: 600_000,
    doc: 'Longest such wait that a caller may ask for (x-ferry-timeout-ms, x-stainless-timeout, x-server-timeout).',
  }),
  STREAM_IDLE_TIMEOUT_MS: milliseconds({
    default: 300_000,
    doc: "Longest silence within a vendor's answer, and longest time that a caller may leave one unread.",
  }),
  DRAIN_TIMEOUT_MS: milliseconds({
    default: 600_000,
    doc: 'How long a stopping relay lets requests that run come to their end.',
  }),
  CONNECT_TIMEOUT_MS: milliseconds({ default: 10_000, doc: 'DNS, TCP and TLS to a vendor, together.' }),
  HEADERS_TIMEOUT_MS: milliseconds({ default: 20_000, doc: "Longest time that a caller's request head may take." }),
  BODY_IDLE_TIMEOUT_MS: milliseconds({ default: 30_000, doc: "Longest silence within a caller's body." }),
  BODY_TIMEOUT_MS: milliseconds({ default: 120_000, doc: "Longest time that a caller's buffered body may take." }),
  UPLOAD_TIMEOUT_MS: milliseconds({ default: 3_600_000, doc: 'Longest time that a streamed upload may take.' }),
  KEEP_ALIVE_TIMEOUT_MS: milliseconds({
    default: 90_000,
    doc: "How long an idle caller's connection stays open. Longer than the 60 s and 75 s of proxies in front, or they reuse connections that are just closing.",
  }),

  MAX_BODY_BYTES: bytes({ default: 10_485_760, doc: 'Largest JSON body.' }),
  MAX_BUFFERED_BYTES: bytes({
    default: 268_435_456,
    doc: 'All buffered bodies together; beyond, requests get 503.',
  }),
  MAX_UPLOAD_BYTES: bytes({ default: 536_870_912, doc: 'Largest multipart or upload/ body; these are streamed.' }),

  LINK_HEARTBEAT_MS: milliseconds({
    default: 5000,
    doc: 'Longest silence on the border link: callers notice within seconds that a connection is dead (docs/link.md).',
  }),
  LINK_COMPRESSION: linkCompression,
  EXCHANGE_GRACE_MS: milliseconds({
    default: 120_000,
    doc: 'How long a durable answer waits for its caller to come back. A reset can block an address and port for 90 s.',
  }),
  EXCHANGE_MAX_BYTES: bytes({
    default: 16_777_216,
    doc: 'Durable answers up to this size are kept whole; of larger ones, as much behind what was handed on.',
  }),
  EXCHANGES_MAX_BYTES: bytes({ default: 536_870_912, doc: 'All durable answers together; beyond, new ones get 503.' }),
  LINK_BODIES_MAX_BYTES: bytes({
    default: 134_217_728,
    doc: 'Recent request bodies that a conversation’s next one may build on, all together, in memory; the oldest go first.',
  }),
  EXCHANGE_MARKERS_DIR: text({
    default: join(tmpdir(), `llm-ferry-exchanges-${userInfo().uid}`),
    defaultText: 'a folder of its user in the system’s one for temporary files',
    doc: 'Folder of the empty files that keep a durable request from being sent twice. All relays of a host share it; it must outlive a process.',
  }),

  WEBSOCKET_HANDSHAKE_TIMEOUT_MS: milliseconds({
    default: 20_000,
    doc: "Wait for the vendor's answer to a WebSocket upgrade.",
  }),
  WEBSOCKET_IDLE_TIMEOUT_MS: milliseconds({
    default: 600_000,
    doc: 'Longest silence of both sides of a WebSocket, pings included, and longest time that one may leave bytes unread.',
  }),
  MAX_WEBSOCKETS: count({ default: 2000, doc: 'WebSockets open at once; beyond, upgrades get 503.' }),
  MAX_WEBSOCKETS_PER_TOKEN: count({
    default: 1000,
    doc: 'WebSockets that one token may have open; beyond, its upgrades get 429.',
  }),

  OTEL_EXPORTER_OTLP_ENDPOINT: origin({
    doc: 'OTLP/HTTP receiver of OpenTelemetry spans, such as http://collector:4318. Absent: no tracing.',
  }),
  OTEL_EXPORTER_OTLP_HEADERS: otlpHeaders({
    doc: 'Headers for that receiver, as name=value with commas.',
    secret: true,
  }),
  OTEL_SERVICE_NAME: text({ default: 'llm-ferry-relay', doc: 'Name of the service in its spans.' }),
  OTEL_TRACES_SAMPLER_ARG: share({
    default: 1,
    doc: 'Share of the traces that begin here which is recorded, 0 to 1. A caller with a traceparent decides for its own.',
  }),

  HTTPS_PROXY: text({
    doc: 'Proxy to https upstreams, such as http://user:password@proxy:3128. Loopback is never proxied.',
    secret: true,
    shown: withoutUrlSecrets,
  }),
  HTTP_PROXY: text({ doc: 'Proxy to http upstreams.', secret: true, shown: withoutUrlSecrets }),
  NO_PROXY: text({ doc: 'Hosts that are reached directly, with commas; a domain counts for those below it.' }),
} satisfies Variables

/** The relay's environment variables. */
export const relayVariables: Variables = table

type Values = ValuesOf<typeof table>

/** How long the relay waits for what, in ms. */
export interface Timeouts {
  readonly requestMs: number
  readonly maxRequestMs: number
  readonly streamIdleMs: number
  readonly drainMs: number
  readonly connectMs: number
  readonly headersMs: number
  readonly bodyIdleMs: number
  readonly bodyMs: number
  readonly uploadMs: number
  readonly keepAliveMs: number
}

/** How much the relay holds or lets through, in bytes. */
export interface Limits {
  readonly maxBodyBytes: number
  readonly maxBufferedBytes: number
  readonly maxUploadBytes: number
}

/** What WebSockets may take. */
export interface WebSocketRules {
  /** Wait for the vendor's answer, in ms. */
  readonly handshakeMs: number
  /** Longest silence, in ms. */
  readonly idleMs: number
  readonly max: number
  readonly maxPerToken: number
}

/** What durable exchanges may hold, and for how long. */
export interface LinkConfig {
  readonly heartbeatMs: number
  readonly compression: LinkCompression
  /** Bodies kept for later ones to build on, in bytes. */
  readonly maxBodiesBytes: number
  readonly graceMs: number
  readonly kept: KeptBytes
  /** All exchanges together, in bytes. */
  readonly maxBytes: number
  readonly markersFolder: string
}

/** What is kept of an answer behind the newest byte that was handed on, while there is no room for more. */
const BEHIND_TIGHT_BYTES = 4 * 1024 * 1024

const keptBytes = (whole: number): KeptBytes => ({
  whole,
  behind: whole,
  behindTight: Math.min(whole, BEHIND_TIGHT_BYTES),
})

/** Proxies between the relay and the vendors. */
export interface ProxySettings {
  readonly https?: string | undefined
  readonly http?: string | undefined
  readonly no?: string | undefined
}

/** Everything a relay needs to know. */
export interface RelayConfig {
  readonly port: number
  readonly host: string
  /** Processes that serve. */
  readonly workers: number
  readonly metricsPort: number
  /** Absent: plain HTTP. */
  readonly tls?: TlsPair | undefined
  readonly logLevel: LogLevel
  readonly tokens: readonly TokenConfig[]
  readonly vendors: readonly VendorConfig[]
  readonly allowedIps: AddressSet
  readonly trustedProxies: AddressSet
  readonly publicUrl?: URL | undefined
  readonly proxy: ProxySettings
  readonly timeouts: Timeouts
  readonly limits: Limits
  readonly link: LinkConfig
  readonly webSockets: WebSocketRules
  /** Absent: no tracing. */
  readonly tracing?: TracingSettings | undefined
  /** Files that tokens and keys came from; when one changes, they are read again. */
  readonly files: readonly string[]
}

/**
 * Reads the configuration from the environment and the files it names.
 *
 * @throws {ConfigError} naming each variable or field at fault and the fix.
 */
export function readRelayConfig(env: NodeJS.ProcessEnv): RelayConfig {
  const { faults, config } = inspectRelayConfig(env)
  if (faults.length > 0 || config === undefined) throw new ConfigError(faults)
  return config
}

/** What can be said of a configuration, usable or not. */
export interface Inspected {
  /** Every variable or field at fault and the fix, as sentences. */
  readonly faults: readonly string[]
  /** Absent where variables are at fault; where anything else is, it cannot be used. */
  readonly config: RelayConfig | undefined
  /** File that RELAY_CONFIG names. */
  readonly path: string | undefined
}

/** Reads what {@link readRelayConfig} reads, and tells what is there also where it cannot be used. */
export function inspectRelayConfig(env: NodeJS.ProcessEnv): Inspected {
  const checked = checkVariables(table, withLowerCaseProxies(env))
  const { RELAY_CONFIG: path, TLS_CERT_FILE: cert, TLS_KEY_FILE: key } = checked.values
  const file = attempt(() => (path === undefined ? undefined : readConfigFile(path, env)))
  const tls = attempt(() => readTlsPair(['TLS_CERT_FILE', cert], ['TLS_KEY_FILE', key]))
  const faults = [...checked.faults.values(), ...file.faults, ...tls.faults]
  if (checked.faults.size > 0) return { faults, config: undefined, path }
  const config = configOf(checked.values as Values, file.value, tls.value, env)
  const isFileKnown = file.faults.length === 0
  return { faults: [...faults, ...senseFaults(config, isFileKnown)], config, path }
}

function attempt<T>(read: () => T): { readonly value?: T; readonly faults: readonly string[] } {
  try {
    return { value: read(), faults: [] }
  } catch (error) {
    if (error instanceof ConfigError) return { faults: error.faults }
    throw error
  }
}

function configOf(
  values: Values,
  file: ConfigFile | undefined,
  tls: TlsPair | undefined,
  env: NodeJS.ProcessEnv,
): RelayConfig {
  return {
    port: values.PORT,
    host: values.HOST,
    workers: values.RELAY_WORKERS,
    metricsPort: values.METRICS_PORT,
    tls,
    logLevel: values.LOG_LEVEL,
    tokens: [...tokensOf(values), ...(file?.tokens ?? [])],
    vendors: [...builtInVendors(values), ...(file?.vendors ?? [])],
    allowedIps: addressSet(values.RELAY_ALLOWED_IPS ?? []),
    trustedProxies: addressSet(values.TRUSTED_PROXIES ?? []),
    publicUrl: values.PUBLIC_URL,
    proxy: { https: values.HTTPS_PROXY, http: values.HTTP_PROXY, no: values.NO_PROXY },
    timeouts: timeoutsOf(values),
    limits: {
      maxBodyBytes: values.MAX_BODY_BYTES,
      maxBufferedBytes: values.MAX_BUFFERED_BYTES,
      maxUploadBytes: values.MAX_UPLOAD_BYTES,
    },
    link: {
      heartbeatMs: values.LINK_HEARTBEAT_MS,
      compression: values.LINK_COMPRESSION,
      maxBodiesBytes: values.LINK_BODIES_MAX_BYTES,
      graceMs: values.EXCHANGE_GRACE_MS,
      kept: keptBytes(values.EXCHANGE_MAX_BYTES),
      maxBytes: values.EXCHANGES_MAX_BYTES,
      markersFolder: values.EXCHANGE_MARKERS_DIR,
    },
    tracing: tracingOf(values),
    webSockets: {
      handshakeMs: values.WEBSOCKET_HANDSHAKE_TIMEOUT_MS,
      idleMs: values.WEBSOCKET_IDLE_TIMEOUT_MS,
      max: values.MAX_WEBSOCKETS,
      maxPerToken: values.MAX_WEBSOCKETS_PER_TOKEN,
    },
    files: [...secretFiles(env), ...tlsFiles(values), ...(file?.files ?? [])],
  }
}

// curl and most programs read these names in lower case too.
function withLowerCaseProxies(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { https_proxy, http_proxy, no_proxy } = env
  return { HTTPS_PROXY: https_proxy, HTTP_PROXY: http_proxy, NO_PROXY: no_proxy, ...env }
}

const tokensOf = ({ RELAY_TOKENS = [] }: Values): TokenConfig[] =>
  RELAY_TOKENS.map(({ name, secret }) => ({ name, token: secret }))

function timeoutsOf(values: Values): Timeouts {
  return {
    requestMs: values.REQUEST_TIMEOUT_MS,
    maxRequestMs: values.MAX_REQUEST_TIMEOUT_MS,
    streamIdleMs: values.STREAM_IDLE_TIMEOUT_MS,
    drainMs: values.DRAIN_TIMEOUT_MS,
    connectMs: values.CONNECT_TIMEOUT_MS,
    headersMs: values.HEADERS_TIMEOUT_MS,
    bodyIdleMs: values.BODY_IDLE_TIMEOUT_MS,
    bodyMs: values.BODY_TIMEOUT_MS,
    uploadMs: values.UPLOAD_TIMEOUT_MS,
    keepAliveMs: values.KEEP_ALIVE_TIMEOUT_MS,
  }
}

function tracingOf(values: Values): TracingSettings | undefined {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_EXPORTER_OTLP_HEADERS: headers = {} } = values
  if (endpoint === undefined) return undefined
  return { endpoint, headers, serviceName: values.OTEL_SERVICE_NAME, ratio: values.OTEL_TRACES_SAMPLER_ARG }
}

function secretFiles(env: NodeJS.ProcessEnv): string[] {
  return Object.entries<Variable<unknown>>(table)
    .filter(([, variable]) => variable.secret === true)
    .map(([name]) => env[`${name}_FILE`] ?? '')
    .filter((path) => path !== '')
}

const tlsFiles = ({ TLS_CERT_FILE, TLS_KEY_FILE }: Values): string[] =>
  [TLS_CERT_FILE, TLS_KEY_FILE].filter((file) => file !== undefined)

/** Faults between fields. @param isFileKnown whether RELAY_CONFIG's vendors and tokens are among them. */
function senseFaults(
  { port, metricsPort, workers, tokens, vendors, timeouts, limits, link }: RelayConfig,
  isFileKnown: boolean,
): readonly string[] {
  const faults: string[] = []
  if (tokens.length === 0 && isFileKnown) {
    faults.push(
      'RELAY_TOKENS is missing: without a token anyone could spend your keys. Set it to name:token, with a token such as `openssl rand -hex 24` prints.',
    )
  }
  for (const name of repeated(tokens.map((token) => token.name))) faults.push(`the token name "${name}" is used twice`)
  for (const name of repeated(vendors.map((vendor) => vendor.name))) {
    faults.push(`the vendor name "${name}" is used twice; openai, anthropic and gemini are built in`)
  }
  if (isFileKnown) faults.push(...unknownVendors(tokens, vendors))
  if (timeouts.requestMs > timeouts.maxRequestMs) {
    faults.push('REQUEST_TIMEOUT_MS must not be above MAX_REQUEST_TIMEOUT_MS: raise the latter or lower the former')
  }
  if (link.kept.whole > link.maxBytes) {
    faults.push('EXCHANGE_MAX_BYTES must not be above EXCHANGES_MAX_BYTES: raise the latter or lower the former')
  }
  if (limits.maxBodyBytes > limits.maxBufferedBytes) {
    faults.push('MAX_BODY_BYTES must not be above MAX_BUFFERED_BYTES: raise the latter or lower the former')
  }
  const lastPort = port + workers - 1
  if (lastPort > 65_535) {
    faults.push(`RELAY_WORKERS needs the ports ${port} to ${lastPort}, and 65535 is the last: lower PORT`)
  } else if (port > 0 && metricsPort >= port && metricsPort <= lastPort) {
    faults.push(`METRICS_PORT is ${metricsPort}, which PORT and RELAY_WORKERS have already: give it a port of its own`)
  }
  return faults
}

function unknownVendors(tokens: readonly TokenConfig[], vendors: readonly VendorConfig[]): string[] {
  const known = new Set(vendors.map(({ name }) => name))
  return tokens.flatMap(({ name, vendors: allowed = [] }) =>
    allowed
      .filter((vendor) => !known.has(vendor))
      .map((vendor) => `the token "${name}" may call "${vendor}", which is no vendor here`),
  )
}

const repeated = (names: readonly string[]): string[] => names.filter((name, index) => names.indexOf(name) !== index)
