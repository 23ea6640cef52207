import type { Model } from '@llm-ferry/sdk'
import { type FileConfig, splitModelId } from '../config-file.ts'
import type { Middleware } from '../context.ts'
import type { Access } from '../keys/access.ts'
import { DIALECTS } from '../vendors/registry.ts'
import type { VendorAdapter } from '../vendors/vendor.ts'

/** `GET /v1/models`: what can be called here by name. Other models of the same vendors are passed on as well. */
export function models(config: FileConfig, dialects: Readonly<Record<string, VendorAdapter>> = DIALECTS): Middleware {
  const all = listModels(config, dialects)
  return async function models(context) {
    const { access } = context.state.caller
    context.body = { object: 'list', data: all.flatMap((model) => visible(model, access)) }
  }
}

/** An alias shows those of its targets that the caller may use. */
function visible(model: Model, access: Access): Model[] {
  const allowed = (id: string): boolean => {
    const { vendor, model } = splitModelId(id)
    return access.allows(vendor, model)
  }
  if (!model.targets) return allowed(model.id) ? [model] : []
  const targets = model.targets.filter(allowed)
  if (targets.length === model.targets.length) return [model]
  return targets.length > 0 ? [{ ...model, targets }] : []
}

function listModels(
  { vendors, models, aliases }: FileConfig,
  dialects: Readonly<Record<string, VendorAdapter>>,
): Model[] {
  const known = vendors
    .filter(({ name, dialect }) => name === dialect)
    .flatMap(({ name, dialect }) =>
      (dialects[dialect]?.models ?? []).map(
        (model): Model => ({ ...model, id: `${name}/${model.id}`, owned_by: name }),
      ),
    )
  const byId = new Map(known.map((model) => [model.id, model]))
  for (const [id, { vendor, maxOutputTokens, capabilities }] of models) {
    const base = byId.get(id) ?? { id, object: 'model', created: 0, owned_by: vendor }
    byId.set(id, {
      ...base,
      ...(maxOutputTokens !== undefined && { max_output_tokens: maxOutputTokens }),
      ...(capabilities !== undefined && { capabilities: { ...base.capabilities, ...capabilities } }),
    })
  }
  const named = [...aliases].map(
    ([id, { targets }]): Model => ({
      id,
      object: 'model',
      created: 0,
      owned_by: 'alias',
      targets: targets.map((target) => target.id),
    }),
  )
  return [...byId.values(), ...named]
}
