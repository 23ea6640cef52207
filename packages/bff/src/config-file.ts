import { ConfigError, fields, nearest, parseOrigin, parseYamlFile, secretText, type YamlFile } from '@llm-ferry/kit'
import { ModelCapabilities } from '@llm-ferry/sdk/schema'
import { z } from 'zod'
import { type CacheText, modelCacheSchema } from './cache/policy.ts'
import { type Alias, aliasSchema } from './dispatch/alias.ts'
import { type AllowedHost, allowedHostSchema } from './images/hosts.ts'
import { type KeyConfig, keyNameSchema, keyRulesSchema } from './keys/rules.ts'
import { type PriceText, priceSchema } from './ledger/prices.ts'
import { type LimitsText, limitsSchema } from './limits/policy-schema.ts'
import { DIALECTS } from './vendors/registry.ts'

/** How a vendor is reached: through the relays, or directly with a key that lives here. */
export type VendorRoute =
  | { readonly kind: 'relay' }
  | { readonly kind: 'direct'; readonly origin: URL; readonly apiKey: string }

/** A vendor, configured. */
export interface VendorConfig {
  readonly name: string
  /** Dialect it speaks: a name in vendors/registry.ts. */
  readonly dialect: string
  readonly route: VendorRoute
  /** API version in the path where it differs from the dialect's own, such as `v4`. */
  readonly version: string | undefined
}

/** What FERRY_CONFIG says, with the defaults filled in. */
export interface FileConfig {
  readonly vendors: readonly VendorConfig[]
  /** Model id (`vendor/model`) → what is configured for it. */
  readonly models: ReadonlyMap<string, ModelConfig>
  readonly aliases: ReadonlyMap<string, Alias>
  /** Limits of every key. */
  readonly limits: LimitsText
  /** Name of a key → what is configured for it. */
  readonly keys: ReadonlyMap<string, KeyConfig>
  /** Where images may be fetched from for vendors that fetch none themselves. Empty: nowhere. */
  readonly imageHosts: readonly AllowedHost[]
  /** Model id (`vendor/model`) → price, before the data package’s. */
  readonly prices: ReadonlyMap<string, PriceText>
}

/** A model, configured. */
export interface ModelConfig {
  readonly vendor: string
  readonly model: string
  /** Overrides REQUEST_TIMEOUT_MS for this model. */
  readonly timeoutMs: number | undefined
  /** Most tokens that the model writes. */
  readonly maxOutputTokens: number | undefined
  /** What it can or cannot do, before what is known of it. */
  readonly capabilities: ModelCapabilities | undefined
  /** Whether its answers are cached. */
  readonly cache: CacheText | undefined
}

const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/
const nameSchema = z.string().regex(NAME, 'must be lower-case letters, digits and dashes')
const modelIdSchema = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}\/.+$/, 'must be vendor/model')

const originSchema = z.string().transform((value, context) => {
  try {
    return parseOrigin(value)
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message })
    return z.NEVER
  }
})

const vendorSchema = fields({
  dialect: z.string(),
  origin: originSchema.optional(),
  apiKey: z.string().min(1).optional(),
  version: z
    .string()
    .regex(/^v\d[a-z0-9]*$/, 'must be a version such as v1')
    .optional(),
}).superRefine((vendor, context) => {
  if ((vendor.origin === undefined) !== (vendor.apiKey === undefined)) {
    context.addIssue({
      code: 'custom',
      message: 'origin and apiKey belong together: set both (called directly) or none (through the relay)',
    })
  }
  if (!Object.hasOwn(DIALECTS, vendor.dialect)) {
    context.addIssue({
      code: 'custom',
      path: ['dialect'],
      message: `must be one of ${Object.keys(DIALECTS).join(', ')}`,
    })
  }
})

const fileSchema = fields({
  vendors: z.record(nameSchema, vendorSchema).default({}),
  models: z
    .record(
      modelIdSchema,
      fields({
        timeoutMs: z.int().positive().optional(),
        maxOutputTokens: z.int().positive().optional(),
        capabilities: ModelCapabilities.strict().optional(),
        cache: modelCacheSchema.optional(),
      }),
    )
    .default({}),
  aliases: z.record(z.string().min(1), aliasSchema(modelIdSchema)).default({}),
  limits: limitsSchema.default({}),
  imageFetch: fields({ hosts: z.array(allowedHostSchema) }).optional(),
  prices: z.record(modelIdSchema, priceSchema).default({}),
  keys: z.record(keyNameSchema, keyRulesSchema).default({}),
})

type FileText = z.infer<typeof fileSchema>

/**
 * Reads the text of the configuration file. `${NAME}` in it is the environment variable NAME, or the
 * content of the file that NAME_FILE names, so that keys stay out.
 *
 * @throws {ConfigError} naming the file, each field at fault and what to do.
 */
export function parseFileConfig(text: string, path: string, env: NodeJS.ProcessEnv): FileConfig {
  const file = parseYamlFile(text, path)
  const missing: string[] = []
  const value = substitute(file.value ?? {}, [], (field, name) => {
    try {
      const found = secretText(name, env)?.trim()
      if (found) return found
      missing.push(`${file.at(field)} refers to \${${name}}, which is not in the environment: set it, or ${name}_FILE`)
    } catch (error) {
      missing.push(`${file.at(field)}: ${error instanceof Error ? error.message : String(error)}`)
    }
    return `\${${name}}`
  })
  const result = fileSchema.safeParse(value)
  const faults = [...missing, ...(result.success ? [] : file.faults(result.error.issues))]
  if (!result.success || faults.length > 0) throw new ConfigError(faults)
  const config = {
    vendors: vendorsOf(result.data),
    models: modelsOf(result.data),
    aliases: new Map(Object.entries(result.data.aliases)),
    limits: result.data.limits,
    imageHosts: result.data.imageFetch?.hosts ?? [],
    keys: new Map(Object.entries(result.data.keys)),
    prices: new Map(Object.entries(result.data.prices)),
  }
  requireKnownVendors(config, file)
  return config
}

/** The value of `${NAME}` in a field. */
type LookUp = (field: readonly PropertyKey[], name: string) => string

function substitute(value: unknown, field: readonly PropertyKey[], lookUp: LookUp): unknown {
  if (typeof value === 'string') return value.replace(/\$\{([A-Z0-9_]+)\}/g, (_, name: string) => lookUp(field, name))
  if (Array.isArray(value)) return value.map((item, index) => substitute(item, [...field, index], lookUp))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, substitute(item, [...field, key], lookUp)]),
  )
}

/** Every dialect is a vendor of the same name behind the relay, unless the file says otherwise. */
function vendorsOf(file: FileText): VendorConfig[] {
  const named = Object.entries(file.vendors).map(([name, { dialect, origin, apiKey, version }]): VendorConfig => {
    const route: VendorRoute = origin && apiKey ? { kind: 'direct', origin, apiKey } : { kind: 'relay' }
    return { name, dialect, route, version }
  })
  const builtIn = Object.keys(DIALECTS)
    .filter((name) => !Object.hasOwn(file.vendors, name))
    .map((name): VendorConfig => ({ name, dialect: name, route: { kind: 'relay' }, version: undefined }))
  return [...builtIn, ...named]
}

function modelsOf(file: FileText): Map<string, ModelConfig> {
  return new Map(
    Object.entries(file.models).map(([id, { timeoutMs, maxOutputTokens, capabilities, cache }]) => [
      id,
      { ...splitModelId(id), timeoutMs, maxOutputTokens, capabilities, cache },
    ]),
  )
}

/** `vendor/model`, split at the first slash (a model's own name may have more). */
export function splitModelId(id: string): { vendor: string; model: string } {
  const slash = id.indexOf('/')
  return { vendor: id.slice(0, slash), model: id.slice(slash + 1) }
}

function requireKnownVendors(config: FileConfig, file: YamlFile): void {
  const known = new Set(config.vendors.map((vendor) => vendor.name))
  const faults = [
    ...[...config.models.keys()].map((id) => ({ field: ['models', id], id })),
    ...[...config.aliases].flatMap(([alias, { targets }]) =>
      targets.map(({ id }, i) => ({ field: ['aliases', alias, i], id })),
    ),
    ...[...config.keys].flatMap(([name, { models = [], vendors = [] }]) => [
      ...models.map((id, i) => ({ field: ['keys', name, 'models', i], id })),
      ...vendors.map((vendor, i) => ({ field: ['keys', name, 'vendors', i], id: `${vendor}/` })),
    ]),
  ]
    .map(({ field, id }) => ({ field, vendor: splitModelId(id).vendor }))
    .filter(({ vendor }) => !known.has(vendor))
    .map(({ field, vendor }) => {
      const meant = nearest(vendor, [...known])
      const advice = meant === undefined ? 'add it there' : `add it there, or did you mean ${meant}?`
      return `${file.at(field)} names the vendor "${vendor}", which is not under vendors: ${advice}`
    })
  if (faults.length > 0) throw new ConfigError(faults)
}
