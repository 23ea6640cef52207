import type { Model } from '@llm-ferry/sdk'
import type { FileConfig } from '../config-file.ts'
import type { Middleware } from '../context.ts'
import { DIALECTS } from '../vendors/registry.ts'
import type { VendorAdapter } from '../vendors/vendor.ts'

/** `GET /v1/models`: what can be called here by name. Other models of the same vendors are passed on as well. */
export function models(config: FileConfig, dialects: Readonly<Record<string, VendorAdapter>> = DIALECTS): Middleware {
  const list = { object: 'list', data: listModels(config, dialects) }
  return async function models(context) {
    context.body = list
  }
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
