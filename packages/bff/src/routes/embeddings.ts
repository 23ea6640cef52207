import { type EmbeddingsRequest, FerryError } from '@llm-ferry/sdk'
import { parseEmbeddingsRequest } from '@llm-ferry/sdk/schema'
import type { Context, Middleware } from '../context.ts'
import { attemptEmbeddings, type EmbeddingsTarget } from '../dispatch/answer.ts'
import { callTimeoutMs, Deadline } from '../dispatch/deadline.ts'
import { toFailure } from '../dispatch/failure.ts'
import type { Resolver } from '../dispatch/resolve.ts'
import { attemptTargets } from '../dispatch/retry.ts'
import type { CallAccount } from '../limits/account.ts'
import { counted } from '../limits/fallback.ts'
import { readJson } from '../middleware/body.ts'
import { asChat } from '../native/estimate.ts'
import { admit, closeAccount, endUser, leaving } from './admission.ts'
import type { ChatOptions } from './chat.ts'
import { ferryValues, noteAnswer } from './facts.ts'

type Targets = readonly [EmbeddingsTarget, ...EmbeddingsTarget[]]

/** `POST /v1/embeddings`: vectors of any vendor that makes some, in OpenAI's form. */
export function embeddings(options: ChatOptions): Middleware {
  return async function embeddings(context) {
    const request = parseEmbeddingsRequest(await readJson(context, options.maxBodyBytes))
    const targets = targetsOf(options.resolve, request.model)
    const { facts } = context.state
    facts.vendor = targets[0].vendor
    facts.model = targets[0].target.model
    const estimate = asChat({ model: request.model, isStream: false, maxTokens: 0 }, request.input)
    const account = await admit(context, options, endUser(context, request.user), estimate)
    const deadline = new Deadline(
      callTimeoutMs(context.req.headers, targets[0].target.timeoutMs, options),
      leaving(context),
    )
    try {
      await answer(context, request, targets, account, deadline, options)
    } catch (thrown) {
      const failure = toFailure(thrown)
      account.fail(failure)
      throw failure.error
    } finally {
      deadline.met()
      await closeAccount(context, account)
    }
  }
}

/** What of a model's targets makes vectors. */
function targetsOf(resolve: Resolver, model: string): Targets {
  const able = resolve(model).flatMap((target) => {
    const adapter = target.adapter.embeddings
    return adapter ? [{ vendor: target.vendor, target, adapter }] : []
  })
  const [first, ...others] = able
  if (first) return [first, ...others]
  throw new FerryError('unsupported_parameter', `"${model}" makes no embeddings`, { param: 'model' })
}

async function answer(
  context: Context,
  request: EmbeddingsRequest,
  targets: Targets,
  account: CallAccount,
  deadline: Deadline,
  { transport, maxRetries }: ChatOptions,
): Promise<void> {
  const attempt = counted(account, (target: EmbeddingsTarget) =>
    attemptEmbeddings(target, request, { transport, signal: deadline.signal }),
  )
  const { value, target, attempts } = await attemptTargets(targets, attempt, { maxRetries, deadline })
  const answered = { value, target: target.target, attempts }
  noteAnswer(context, answered)
  const { usage } = value.embeddings
  account.meter.count(usage && { ...usage, completion_tokens: 0 }, true)
  context.state.facts.firstByteSeconds = (performance.now() - context.state.arrivedAt) / 1000
  context.set(ferryValues(answered))
  context.body = value.embeddings
}
