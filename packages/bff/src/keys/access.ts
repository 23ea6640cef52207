import { FerryError } from '@llm-ferry/sdk'

interface Names {
  readonly models?: readonly string[] | undefined
  readonly vendors?: readonly string[] | undefined
}

/** Which models and vendors a caller may use. */
export interface Access {
  /** @param model as the vendor names it; `undefined`: the request names none, so any may be meant. */
  allows(vendor: string, model: string | undefined): boolean
  /** Whether there is a model of the vendor that it may use. */
  allowsSome(vendor: string): boolean
}

const EVERYTHING: Access = { allows: () => true, allowsSome: () => true }

/** Access to what is named; to everything where nothing is. */
export function accessTo({ models, vendors }: Names): Access {
  if (models === undefined && vendors === undefined) return EVERYTHING
  const [exact, ofVendors] = [new Set(models), new Set(vendors)]
  const some = new Set(models?.map((id) => id.slice(0, id.indexOf('/'))))
  return {
    allows: (vendor, model) =>
      (vendors === undefined || ofVendors.has(vendor)) &&
      (models === undefined || exact.has(`${vendor}/*`) || (model !== undefined && exact.has(`${vendor}/${model}`))),
    allowsSome: (vendor) =>
      (vendors === undefined || ofVendors.has(vendor)) && (models === undefined || some.has(vendor)),
  }
}

/** Access to what both allow. */
export function narrowed(access: Access, names: Names): Access {
  const other = accessTo(names)
  if (other === EVERYTHING) return access
  return {
    allows: (vendor, model) => access.allows(vendor, model) && other.allows(vendor, model),
    allowsSome: (vendor) => access.allowsSome(vendor) && other.allowsSome(vendor),
  }
}

/**
 * Those of a model's targets that the caller may use.
 *
 * @throws {FerryError} `permission_denied` naming `model` when none is left.
 */
export function permitted<Target extends { readonly vendor: string; readonly model: string }>(
  access: Access,
  targets: readonly Target[],
): readonly Target[] {
  if (access === EVERYTHING) return targets
  const left = targets.filter(({ vendor, model }) => access.allows(vendor, model))
  if (left.length > 0) return left
  const names = targets.map(({ vendor, model }) => `${vendor}/${model}`).join(', ')
  throw new FerryError('permission_denied', `This key may not use ${names}: GET /v1/models lists what it may`, {
    param: 'model',
  })
}
