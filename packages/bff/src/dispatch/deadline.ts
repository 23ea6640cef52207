import { requestedTimeoutMs } from '@llm-ferry/kit'
import { FerryError } from '@llm-ferry/sdk'

/** A time by which something must have happened, and the signal that ends the work when it has not. */
export class Deadline {
  readonly #controller = new AbortController()
  readonly #endsAt: number
  readonly #timer: NodeJS.Timeout
  readonly #parent: AbortSignal

  /**
   * @param timeoutMs from now.
   * @param parent ends the work as well, such as the caller's leaving.
   */
  constructor(timeoutMs: number, parent: AbortSignal) {
    follow(this.#controller, parent)
    this.#parent = parent
    this.#endsAt = performance.now() + timeoutMs
    this.#timer = setTimeout(() => {
      this.#controller.abort(new FerryError('upstream_timeout', `No answer within ${timeoutMs} ms`))
    }, timeoutMs)
  }

  /** Fires at the deadline, or with the parent. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Time left in ms, never negative. */
  remainingMs(): number {
    return Math.max(0, this.#endsAt - performance.now())
  }

  /** Whether nobody waits any more, such as a caller that left. */
  get isAbandoned(): boolean {
    return this.#parent.aborted
  }

  /** The awaited thing has happened: the deadline no longer ends the work. */
  met(): void {
    clearTimeout(this.#timer)
  }
}

/** Aborts with the parent, as AbortSignal.any does at several times the cost, for two of one life. */
export function follow(controller: AbortController, parent: AbortSignal): void {
  if (parent.aborted) controller.abort(parent.reason)
  else parent.addEventListener('abort', () => controller.abort(parent.reason), { once: true })
}

/** Bounds of a call's time. */
export interface TimeoutBounds {
  readonly requestTimeoutMs: number
  readonly maxRequestTimeoutMs: number
}

/**
 * How long a call may take, in ms: what the caller asks for, else what is configured for the model, else the default;
 * never more than the upper bound.
 */
export function callTimeoutMs(
  headers: NodeJS.Dict<string | string[]>,
  modelTimeoutMs: number | undefined,
  { requestTimeoutMs, maxRequestTimeoutMs }: TimeoutBounds,
): number {
  const asked = requestedTimeoutMs(headers)
  return Math.min(asked ?? modelTimeoutMs ?? requestTimeoutMs, maxRequestTimeoutMs)
}
