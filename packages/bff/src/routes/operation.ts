import { FerryError } from '@llm-ferry/sdk'
import type { Middleware } from '../context.ts'
import type { ResolvedTarget, Resolver } from '../dispatch/resolve.ts'
import { permitted } from '../keys/access.ts'
import { operationPath } from '../native/path.ts'
import { type NativeOptions, pass } from './native.ts'

export interface OperationOptions extends NativeOptions {
  readonly resolve: Resolver
}

/**
 * `POST /v1/{operation}`: an operation that only some dialects have, passed on as it is.
 *
 * @param operation its path at the vendor, such as `audio/speech`.
 */
export function operation(operation: string, options: OperationOptions): Middleware {
  const serves = ({ adapter }: ResolvedTarget): boolean =>
    adapter.native?.operations.some(({ method, path }) => method === 'POST' && path.test(operation)) === true
  const able = options.file.vendors
    .map(({ name }) => options.targetOf(name, ''))
    .filter((target) => target && serves(target))
  // Of several that speak a dialect, the one that it is named after comes first.
  const first = able.find((target) => target?.vendor === target?.config.dialect) ?? able[0]

  return async function passOperation(context) {
    if (!first) throw new FerryError('vendor_not_found', `No vendor here has ${operation}`)
    const choose = (model: string | undefined): ResolvedTarget => {
      // A form may name its model behind its file, which is not waited for.
      if (model === undefined) return first
      const target = permitted(
        context.state.caller.access,
        resolved(model, options.resolve, () => options.targetOf(first.vendor, model)),
      ).find(serves)
      if (target) return target
      throw new FerryError('unsupported_parameter', `"${model}" has no ${operation}`, { param: 'model' })
    }
    await pass(context, operationPath(operation, context.req.url ?? ''), first, choose, options)
  }
}

/** What a model's name stands for; a bare name that nobody claims is left to the vendor of the operation. */
function resolved(
  model: string,
  resolve: Resolver,
  otherwise: () => ResolvedTarget | undefined,
): readonly ResolvedTarget[] {
  try {
    return resolve(model)
  } catch (error) {
    const target = model.includes('/') ? undefined : otherwise()
    if (target) return [target]
    throw error
  }
}
