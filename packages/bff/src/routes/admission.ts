import { type ChatRequest, FerryError, HEADERS } from '@llm-ferry/sdk'
import { setHeaders } from '../answer.ts'
import type { Context } from '../context.ts'
import { AttemptFailure } from '../dispatch/failure.ts'
import type { Prices } from '../ledger/prices.ts'
import { CallAccount, callToAdmit } from '../limits/account.ts'
import { rateLimitHeaders } from '../limits/allowance.ts'
import type { Limits } from '../limits/limits.ts'
import { LimitRefusal } from '../limits/refusal.ts'
import { namedUser } from '../middleware/auth.ts'

/** What calls are admitted by. */
export interface AdmissionOptions {
  readonly limits: Limits
  readonly prices: Prices
}

/** The end user of a call: a session token’s, whatever the request says; else whom the header named, else the first of the names that the body gives, else the key. */
export function endUser(context: Context, ...named: readonly (string | undefined)[]): string {
  const { user, isSession } = context.state.caller
  if (isSession || context.get(HEADERS.user)) return user
  return named.map(namedUser).find((name) => name !== undefined) ?? user
}

/**
 * Counts the call whose vendor and model the facts name.
 *
 * @param isFree for calls that use no tokens: they count as requests alone.
 * @throws {LimitRefusal}
 */
export async function admit(
  context: Context,
  { limits, prices }: AdmissionOptions,
  user: string,
  request: ChatRequest,
  isFree = false,
): Promise<CallAccount> {
  const { requestId: id, facts, caller } = context.state
  const { vendor = '', model = '' } = facts
  const { key, keyName, labels, policy } = caller
  const applicant = { id, key, keyName, labels, user, vendor, model, request }
  const call = await callToAdmit(applicant, isFree ? { ...policy, ...UNUSED } : policy, prices)
  const adopted = context.state.call?.adopted
  try {
    const admission = adopted ? limits.adopt(call, adopted) : await limits.admit(call)
    context.state.call?.admitted(admission.reservation)
    setHeaders(context, rateLimitHeaders(admission.allowances))
    return new CallAccount(admission, applicant, prices, (adopted?.ifAbandoned.record ?? call.record).at)
  } catch (error) {
    if (error instanceof LimitRefusal) setHeaders(context, rateLimitHeaders(error.allowances))
    throw error
  }
}

const UNUSED = {
  tokensPerMinute: undefined,
  tokensPerDay: undefined,
  costNanosPerDay: undefined,
  costNanosPerMonth: undefined,
  userTokensPerMinute: undefined,
  userTokensPerDay: undefined,
  userCostNanosPerDay: undefined,
  userCostNanosPerMonth: undefined,
}

const CANCELLED = new FerryError('client_closed', 'The caller cancelled the call')

/** Charges what the call used; nobody waits for the store. */
export async function closeAccount(context: Context, account: CallAccount): Promise<void> {
  const { facts, arrivedAt, call } = context.state
  if (call && account.failure) {
    const standing = await call.standing()
    if (standing === 'moved') {
      account.handOver()
      return
    }
    if (standing === 'cancelled') account.fail(new AttemptFailure(CANCELLED, account.failure.origin))
  }
  const { usage, isEstimated } = await account.close(facts, performance.now() - arrivedAt)
  facts.promptTokens = usage.prompt_tokens
  facts.completionTokens = usage.completion_tokens
  if (isEstimated) facts.estimated = true
}

/** Fires when the caller goes before its answer has ended. */
export function leaving({ res }: Context): AbortSignal {
  const controller = new AbortController()
  res.once('close', () => {
    if (!res.writableFinished) controller.abort(new FerryError('client_closed', 'The caller left before the answer'))
  })
  return controller.signal
}
