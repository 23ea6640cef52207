import { FerryError, HEADERS } from '@llm-ferry/sdk'
import type { Context, Middleware } from '../context.ts'
import { errorBody } from '../error-body.ts'

/**
 * Turns what is thrown into the answer. A fault of ours is logged and told to nobody.
 *
 * @param bodyOf words the error. Default: in OpenAI's shape.
 */
export function errors(bodyOf: (error: FerryError, context: Context) => object = errorBody): Middleware {
  return async function errors(context, next) {
    try {
      await next()
      if (context.respond !== false) requireRoute(context)
    } catch (thrown) {
      answerError(context, toFerryError(thrown, context), bodyOf)
    }
  }
}

function toFerryError(thrown: unknown, context: Context): FerryError {
  if (FerryError.is(thrown)) return thrown
  context.state.log.error({ err: thrown }, 'unexpected_fault')
  return new FerryError('internal_error', `An unexpected fault; the log has it under ${context.state.requestId}`)
}

/** The router answers in plain text where no route or no method fits. */
function requireRoute(context: Context): void {
  const { status, method, path } = context
  if (status === 405 || status === 501) {
    throw new FerryError('method_not_allowed', `${path} takes ${context.response.get('allow')}, not ${method}`)
  }
  if (status === 404 && context.body == null) {
    throw new FerryError('not_found', `There is no route ${method} ${path}`)
  }
}

function answerError(
  context: Context,
  error: FerryError,
  bodyOf: (error: FerryError, context: Context) => object,
): void {
  context.state.facts.error = error.code
  context.status = error.status
  context.set(HEADERS.error, error.code)
  if (error.retryAfterMs !== undefined) context.set('retry-after', String(Math.ceil(error.retryAfterMs / 1000)))
  // SDKs repeat 408, 409, 429 and 5xx by themselves; what repeats can cure has been repeated here.
  if (!error.isRetryable || (context.state.facts.attempts ?? 0) > 1) context.set('x-should-retry', 'false')
  context.body = bodyOf(error, context)
}
