import { readFileSync } from 'node:fs'
import { ConfigError, DIALECTS, parseOrigin } from '@llm-ferry/kit'
import { parse } from 'yaml'
import { z } from 'zod'
import type { TokenConfig } from './tokens.ts'
import type { VendorConfig } from './vendors.ts'

const headerText = z.string().regex(/^[\x21-\x7e]+$/, 'must be text that HTTP headers carry')
const name = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'must be lower-case letters, digits, - and _')

const vendorSchema = z.strictObject({
  dialect: z.enum(['openai', 'anthropic', 'gemini']),
  origin: z.string(),
  version: z
    .string()
    .regex(/^[A-Za-z0-9._-]*$/)
    .optional(),
  auth: z
    .strictObject({
      header: z.string().regex(/^[A-Za-z0-9-]+$/),
      prefix: z
        .string()
        .regex(/^[\x20-\x7e]*$/)
        .optional(),
    })
    .optional(),
  keys: z.array(headerText).optional(),
  keys_env: z.string().optional(),
  keys_file: z.string().optional(),
})

const tokenSchema = z
  .strictObject({
    name: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
    token: headerText.min(16).optional(),
    token_file: z.string().optional(),
    token_sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/i, 'must be 64 hexadecimal digits')
      .optional(),
    vendors: z.array(z.string()).optional(),
    requests_per_minute: z.number().int().positive().optional(),
    expires_at: z.iso.datetime({ offset: true }).optional(),
    sticky: z.boolean().optional(),
  })
  .refine((value) => [value.token, value.token_file, value.token_sha256].filter((v) => v !== undefined).length === 1, {
    message: 'needs exactly one of token, token_file and token_sha256',
  })

const fileSchema = z.strictObject({
  vendors: z.record(name, vendorSchema).optional(),
  tokens: z.array(tokenSchema).optional(),
})

type VendorEntry = z.infer<typeof vendorSchema>
type TokenEntry = z.infer<typeof tokenSchema>

/** What a configuration file holds, with the files that it names read in. */
export interface ConfigFile {
  readonly vendors: readonly VendorConfig[]
  readonly tokens: readonly TokenConfig[]
  readonly files: readonly string[]
}

/**
 * Reads the file that RELAY_CONFIG names.
 *
 * @throws {ConfigError} naming the file, the field and the fault.
 */
export function readConfigFile(path: string, env: NodeJS.ProcessEnv): ConfigFile {
  const files = [path]
  const secretFile = (file: string, field: string): string => {
    files.push(file)
    return readText(file, `RELAY_CONFIG: ${field}`).trim()
  }
  const parsed = fileSchema.safeParse(parseYaml(path) ?? {})
  if (!parsed.success) {
    throw new ConfigError(parsed.error.issues.map((issue) => `RELAY_CONFIG: ${fieldOf(issue.path)} ${issue.message}`))
  }
  const vendors = Object.entries(parsed.data.vendors ?? {}).map(([vendor, entry]) =>
    vendorOf(vendor, entry, env, secretFile),
  )
  const tokens = (parsed.data.tokens ?? []).map((entry) => tokenOf(entry, secretFile))
  return { vendors, tokens, files }
}

type SecretFile = (path: string, field: string) => string

function vendorOf(vendor: string, entry: VendorEntry, env: NodeJS.ProcessEnv, secretFile: SecretFile): VendorConfig {
  const dialect = DIALECTS[entry.dialect]
  const field = `vendors.${vendor}`
  return {
    name: vendor,
    dialect,
    origin: originOf(entry.origin, `${field}.origin`),
    version: entry.version ?? dialect.defaultVersion,
    key: entry.auth ? { header: entry.auth.header.toLowerCase(), prefix: entry.auth.prefix ?? '' } : dialect.key,
    keys: keysOf(entry, field, env, secretFile),
    keyHint: entry.keys_env ?? `${field}.keys`,
  }
}

function originOf(value: string, field: string): URL {
  try {
    return parseOrigin(value)
  } catch (error) {
    throw new ConfigError([`RELAY_CONFIG: ${field} ${error instanceof Error ? error.message : 'is no URL'}`])
  }
}

function keysOf(entry: VendorEntry, field: string, env: NodeJS.ProcessEnv, secretFile: SecretFile): readonly string[] {
  const texts = [
    env[entry.keys_env ?? ''] ?? '',
    entry.keys_file === undefined ? '' : secretFile(entry.keys_file, `${field}.keys_file`),
  ]
  const keys = [...(entry.keys ?? []), ...texts.flatMap((value) => value.split(/[,\n]/))]
    .map((key) => key.trim())
    .filter((key) => key !== '')
  if (keys.every((key) => headerText.safeParse(key).success)) return keys
  throw new ConfigError([`RELAY_CONFIG: ${field} has a key with characters that HTTP headers do not carry`])
}

function tokenOf(entry: TokenEntry, secretFile: SecretFile): TokenConfig {
  const token =
    entry.token_file === undefined ? entry.token : secretFile(entry.token_file, `tokens "${entry.name}" token_file`)
  if (token !== undefined && !headerText.min(16).safeParse(token).success) {
    throw new ConfigError([`RELAY_CONFIG: the token "${entry.name}" needs at least 16 characters of plain text`])
  }
  return {
    name: entry.name,
    token,
    sha256: entry.token_sha256?.toLowerCase(),
    vendors: entry.vendors,
    requestsPerMinute: entry.requests_per_minute,
    expiresAt: entry.expires_at === undefined ? undefined : Date.parse(entry.expires_at),
    sticky: entry.sticky,
  }
}

function parseYaml(path: string): unknown {
  try {
    return parse(readText(path, 'RELAY_CONFIG'))
  } catch (error) {
    if (error instanceof ConfigError) throw error
    const [reason] = error instanceof Error ? error.message.split('\n') : ['']
    throw new ConfigError([`RELAY_CONFIG: ${path} is not YAML: ${reason}`])
  }
}

function readText(path: string, field: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code
    throw new ConfigError([`${field} names ${path}, which cannot be read (${reason})`])
  }
}

function fieldOf(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'the file'
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '')
}
