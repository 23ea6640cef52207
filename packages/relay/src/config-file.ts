import { readFileSync } from 'node:fs'
import { ConfigError, DIALECTS, fields, parseOrigin, parseYamlFile, type YamlFile } from '@llm-ferry/kit'
import { z } from 'zod'
import type { TokenConfig } from './tokens.ts'
import type { VendorConfig } from './vendors.ts'

const headerText = z.string().regex(/^[\x21-\x7e]+$/, 'must be text that HTTP headers carry')
const name = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'must be lower-case letters, digits, - and _')

const vendorSchema = fields({
  dialect: z.enum(['openai', 'anthropic', 'gemini']),
  origin: z.string(),
  version: z
    .string()
    .regex(/^[A-Za-z0-9._-]*$/)
    .optional(),
  auth: fields({
    header: z.string().regex(/^[A-Za-z0-9-]+$/),
    prefix: z
      .string()
      .regex(/^[\x20-\x7e]*$/)
      .optional(),
  }).optional(),
  keys: z.array(headerText).optional(),
  keys_env: z.string().optional(),
  keys_file: z.string().optional(),
})

const tokenSchema = fields({
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
}).refine((value) => [value.token, value.token_file, value.token_sha256].filter((v) => v !== undefined).length === 1, {
  message: 'needs exactly one of token, token_file and token_sha256',
})

const fileSchema = fields({
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
 * @throws {ConfigError} naming the file, each field at fault and the fault.
 */
export function readConfigFile(path: string, env: NodeJS.ProcessEnv): ConfigFile {
  const file = parseYamlFile(readText(path, 'RELAY_CONFIG'), path)
  const parsed = fileSchema.safeParse(file.value ?? {})
  if (!parsed.success) throw new ConfigError(file.faults(parsed.error.issues))
  const reader = new EntryReader(file, env)
  const vendors = Object.entries(parsed.data.vendors ?? {}).map(([name, entry]) => reader.vendor(name, entry))
  const tokens = (parsed.data.tokens ?? []).map((entry, index) => reader.token(index, entry))
  if (reader.faults.length > 0) throw new ConfigError(reader.faults)
  return { vendors, tokens, files: [path, ...reader.files] }
}

type Field = readonly PropertyKey[]

/** Reads entries, and the files and variables that they name. Faults are gathered; what is at fault is left empty. */
class EntryReader {
  readonly faults: string[] = []
  readonly files: string[] = []
  readonly #file: YamlFile
  readonly #env: NodeJS.ProcessEnv

  constructor(file: YamlFile, env: NodeJS.ProcessEnv) {
    this.#file = file
    this.#env = env
  }

  vendor(name: string, entry: VendorEntry): VendorConfig {
    const dialect = DIALECTS[entry.dialect]
    const field = ['vendors', name]
    return {
      name,
      dialect,
      origin: this.#origin(entry.origin, [...field, 'origin']),
      version: entry.version ?? dialect.defaultVersion,
      key: entry.auth ? { header: entry.auth.header.toLowerCase(), prefix: entry.auth.prefix ?? '' } : dialect.key,
      keys: this.#keys(entry, field),
      keyHint: entry.keys_env ?? `vendors.${name}.keys`,
    }
  }

  token(index: number, entry: TokenEntry): TokenConfig {
    const field = ['tokens', index, 'token_file']
    const token = entry.token_file === undefined ? entry.token : this.#secret(entry.token_file, field)
    if (token !== undefined && token !== '' && !headerText.min(16).safeParse(token).success)
      this.#fault(field, `needs at least 16 characters of plain text in it`)
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

  #origin(value: string, field: Field): URL {
    try {
      return parseOrigin(value)
    } catch (error) {
      this.#fault(field, error instanceof Error ? error.message : 'is no URL')
      return new URL('https://fault.invalid')
    }
  }

  #keys(entry: VendorEntry, field: Field): readonly string[] {
    const texts = [
      this.#env[entry.keys_env ?? ''] ?? '',
      entry.keys_file === undefined ? '' : this.#secret(entry.keys_file, [...field, 'keys_file']),
    ]
    const keys = [...(entry.keys ?? []), ...texts.flatMap((value) => value.split(/[,\n]/))]
      .map((key) => key.trim())
      .filter((key) => key !== '')
    if (!keys.every((key) => headerText.safeParse(key).success))
      this.#fault(field, 'has a key with characters that HTTP headers do not carry')
    return keys
  }

  #secret(path: string, field: Field): string {
    this.files.push(path)
    try {
      return readFileSync(path, 'utf8').trim()
    } catch (error) {
      this.#fault(field, `names ${path}, which cannot be read (${(error as NodeJS.ErrnoException).code})`)
      return ''
    }
  }

  #fault(field: Field, fault: string): void {
    this.faults.push(`${this.#file.at(field)} ${fault}`)
  }
}

function readText(path: string, variable: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code
    throw new ConfigError([`${variable} names ${path}, which cannot be read (${reason})`])
  }
}
