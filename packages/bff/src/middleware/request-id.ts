import { type Logger, newRequestId } from '@llm-ferry/kit'
import { HEADERS } from '@llm-ferry/sdk'
import { setHeaders } from '../answer.ts'
import type { Caller, CallFacts, Middleware, State } from '../context.ts'

/** Gives each request an id, in its answer and in every line that is logged for it. */
export function requestId(log: Logger): Middleware {
  return function requestId(context, next) {
    const id = newRequestId()
    context.state = new RequestState(log, id)
    setHeaders(context, { [HEADERS.requestId]: id, 'x-request-id': id })
    return next()
  }
}

class RequestState implements State {
  readonly requestId: string
  readonly arrivedAt: number = performance.now()
  readonly facts: CallFacts = {}
  declare caller: Caller
  declare requireStanding: () => void
  declare actor?: string
  readonly #log: Logger

  constructor(log: Logger, id: string) {
    this.requestId = id
    this.#log = log
  }

  /** Few requests have something to say besides their access line. */
  get log(): Logger {
    return this.#log.child({ requestId: this.requestId })
  }
}
