import type { EmbeddingsRequest } from '@llm-ferry/sdk'
import { parseEmbeddingsRequest } from '@llm-ferry/sdk/schema'
import { answerJson, setHeaders } from '../answer.ts'
import type { Context, Middleware } from '../context.ts'
import { attemptEmbeddings } from '../dispatch/answer.ts'
import { callTimeoutMs, Deadline } from '../dispatch/deadline.ts'
import { toFailure } from '../dispatch/failure.ts'
import { type EmbeddingsTarget, prepareEmbeddings } from '../dispatch/prepare.ts'
import { attemptTargets } from '../dispatch/retry.ts'
import { permitted } from '../keys/access.ts'
import type { CallAccount } from '../limits/account.ts'
import { counted } from '../limits/fallback.ts'
import { readJson } from '../middleware/body.ts'
import { asChat } from '../native/estimate.ts'
import type { Sender } from '../transport.ts'
import { admit, closeAccount, endUser, leaving } from './admission.ts'
import type { ChatOptions } from './chat.ts'
import { ferryValues, noteAnswer, noteAttempt } from './facts.ts'

type Targets = readonly [EmbeddingsTarget, ...EmbeddingsTarget[]]

/** `POST /v1/embeddings`: vectors of any vendor that makes some, in OpenAI's form. */
export function embeddings(options: ChatOptions): Middleware {
  return async function embeddings(context) {
    const request = parseEmbeddingsRequest(await readJson(context, options.maxBodyBytes))
    const known = permitted(context.state.caller.access, options.resolve(request.model))
    const targets = prepareEmbeddings(request, context.state.call?.targets(known) ?? known)
    const { facts } = context.state
    facts.vendor = targets[0].vendor
    facts.model = targets[0].model
    const estimate = asChat({ model: request.model, isStream: false, maxTokens: 0 }, request.input)
    const user = endUser(context, request.user)
    const account = await admit(context, options, user, estimate)
    const sender = options.transport.for({ key: context.state.caller.key, user }, context.state.call)
    const deadline = new Deadline(callTimeoutMs(context.req.headers, targets[0].timeoutMs, options), leaving(context))
    try {
      await answer(context, request, targets, account, sender, deadline, options)
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

async function answer(
  context: Context,
  request: EmbeddingsRequest,
  targets: Targets,
  account: CallAccount,
  sender: Sender,
  deadline: Deadline,
  { maxRetries, breakers, repeats }: ChatOptions,
): Promise<void> {
  const { key } = context.state.caller
  repeats.deposit(key)
  const attempt = counted(account, (target: EmbeddingsTarget, place) =>
    breakers.run(target, () => {
      noteAttempt(context, target, place)
      return attemptEmbeddings(target, request, { sender, signal: deadline.signal })
    }),
  )
  const takeRepeat = (): boolean => repeats.take(key)
  const answered = await attemptTargets(targets, attempt, { maxRetries, deadline, takeRepeat })
  noteAnswer(context, answered)
  const { embeddings } = answered.value
  const { usage } = embeddings
  account.meter.count(usage && { ...usage, completion_tokens: 0 }, true)
  context.state.facts.firstByteSeconds = (performance.now() - context.state.arrivedAt) / 1000
  setHeaders(context, ferryValues(answered, context.state.facts))
  answerJson(context, embeddings)
}
