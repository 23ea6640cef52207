import { type ChatRequest, type EmbeddingsRequest, FerryError } from '@llm-ferry/sdk'
import type { EmbeddingsAdapter, WireRequest } from '../vendors/vendor.ts'
import { requireCapabilities } from './capability.ts'
import type { ResolvedTarget } from './resolve.ts'

/** A target with the request in its vendor's words. */
export interface PreparedTarget extends ResolvedTarget {
  readonly wire: WireRequest
}

/** A target whose dialect has embeddings. */
export interface EmbeddingsTarget extends PreparedTarget {
  readonly embeddings: EmbeddingsAdapter
}

type OneOrMore<T> = readonly [T, ...T[]]

/**
 * Writes a chat for each target before the call is counted. A fallback that would have to refuse it is left out.
 *
 * @throws {FerryError} 400 when the first target would have to.
 */
export function prepareChat(request: ChatRequest, targets: readonly ResolvedTarget[]): OneOrMore<PreparedTarget> {
  return prepared(targets, (target) => {
    requireCapabilities(request, target)
    return { ...target, wire: target.adapter.request(request, target) }
  })
}

/** The same for embeddings; targets that make none are left out. */
export function prepareEmbeddings(
  request: EmbeddingsRequest,
  targets: readonly ResolvedTarget[],
): OneOrMore<EmbeddingsTarget> {
  const able = targets.flatMap((target) => {
    const { embeddings } = target.adapter
    return embeddings ? [{ ...target, embeddings }] : []
  })
  if (able.length > 0)
    return prepared(able, (target) => ({ ...target, wire: target.embeddings.request(request, target) }))
  throw new FerryError('unsupported_parameter', `"${request.model}" makes no embeddings`, { param: 'model' })
}

function prepared<From, To>(targets: readonly From[], prepare: (target: From) => To): OneOrMore<To> {
  const [first, ...others] = targets
  if (first === undefined) throw new FerryError('model_not_found', 'No vendor here serves this model')
  return [prepare(first), ...others.flatMap((target) => orNothing(() => prepare(target)))]
}

function orNothing<T>(prepare: () => T): T[] {
  try {
    return [prepare()]
  } catch (error) {
    if (FerryError.is(error)) return []
    throw error
  }
}
