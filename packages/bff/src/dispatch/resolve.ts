import { FerryError, type ModelCapabilities } from '@llm-ferry/sdk'
import { type FileConfig, splitModelId, type VendorConfig } from '../config-file.ts'
import { DIALECTS } from '../vendors/registry.ts'
import type { Target, VendorAdapter } from '../vendors/vendor.ts'
import { drawn } from './weights.ts'

/** A vendor and model to call, with everything needed to call it. */
export interface ResolvedTarget extends Target {
  readonly config: VendorConfig
  readonly adapter: VendorAdapter
  /** The model's own deadline, before REQUEST_TIMEOUT_MS. */
  readonly timeoutMs: number | undefined
  /** What the model can do, as far as it is known. */
  readonly capabilities: ModelCapabilities
}

/** Models that reason may be silent for minutes. */
const REASONING_TIMEOUT_MS = 600_000

/** Turns a request's `model` into the targets to try, in order; never empty. */
export type Resolver = (model: string) => readonly ResolvedTarget[]

/** The target of a vendor and a model by their names; `undefined`: no such vendor. */
export type Targets = (vendor: string, model: string) => ResolvedTarget | undefined

export function createTargets(
  { vendors, models }: Pick<FileConfig, 'vendors' | 'models'>,
  dialects: Readonly<Record<string, VendorAdapter>> = DIALECTS,
): Targets {
  const byName = new Map(vendors.map((vendor) => [vendor.name, vendor]))
  return (vendor, model) => {
    const config = byName.get(vendor)
    const adapter = config && dialects[config.dialect]
    if (!adapter) return undefined
    const known = models.get(`${vendor}/${model}`)
    const capabilities = { ...listedCapabilities(config, adapter, model), ...known?.capabilities }
    const timeoutMs = known?.timeoutMs ?? (capabilities.reasoning ? REASONING_TIMEOUT_MS : undefined)
    return { vendor, model, config, adapter, maxOutputTokens: known?.maxOutputTokens, timeoutMs, capabilities }
  }
}

/** What the vendor of the dialect's own name is known to do with a model; others may serve another of that name. */
function listedCapabilities(
  { name, dialect }: VendorConfig,
  { models }: VendorAdapter,
  model: string,
): ModelCapabilities {
  return (name === dialect && models.find(({ id }) => id === model)?.capabilities) || {}
}

/**
 * A model is `vendor/model`, an alias of the configuration file, or a bare name that a vendor's adapter claims.
 *
 * The resolver throws `model_not_found` for anything else.
 */
export function createResolver(
  { vendors, models, aliases }: FileConfig,
  dialects: Readonly<Record<string, VendorAdapter>> = DIALECTS,
): Resolver {
  const target = createTargets({ vendors, models }, dialects)

  function bare(model: string): ResolvedTarget | undefined {
    const owner = vendors.find(
      ({ name, dialect }) => models.has(`${name}/${model}`) || (name === dialect && dialects[dialect]?.claims(model)),
    )
    return owner && target(owner.name, model)
  }

  return (model) => {
    const alias = aliases.get(model)
    const { vendor, model: rest } = splitModelId(model)
    const found = alias
      ? drawn(alias.targets)
          .map(({ id }) => splitModelId(id))
          .map((id) => target(id.vendor, id.model))
      : [target(vendor, rest) ?? bare(model)]
    const targets = found.filter((entry) => entry !== undefined)
    if (targets.length > 0) return targets
    const hint = `write it as vendor/model with one of the vendors ${vendors.map(({ name }) => name).join(', ')}`
    throw new FerryError('model_not_found', `No vendor here serves the model "${model}": ${hint}`, { param: 'model' })
  }
}
