import type { FerryError } from './errors.ts'
import type { CallMeta } from './meta.ts'

/** An attempt that is about to be made. */
export interface RequestEvent {
  readonly method: string
  readonly url: string
  /** Which attempt, from 1. */
  readonly attempt: number
  /** Headers to be sent; you may add to them, such as a `traceparent`. */
  readonly headers: Headers
}

/** The head of an answer. */
export interface ResponseEvent {
  readonly method: string
  readonly url: string
  readonly attempt: number
  readonly status: number
  readonly headers: Headers
  /** From the attempt's start to the head, in ms. */
  readonly durationMs: number
}

/** A pause before the next attempt. */
export interface RetryEvent {
  readonly method: string
  readonly url: string
  /** Which attempt failed, from 1. */
  readonly attempt: number
  readonly error: FerryError
  readonly pauseMs: number
}

/** A call that has failed. */
export interface ErrorEvent {
  readonly method: string
  readonly url: string
  /** Attempts made. */
  readonly attempts: number
  readonly error: FerryError
}

/** A call that has been answered to its end. */
export interface FinishEvent {
  readonly method: string
  readonly url: string
  readonly meta: CallMeta
  /** From the call's start to its end, pauses included, in ms. */
  readonly durationMs: number
}

/**
 * Functions called on the way of every call, for logs, traces and metrics. What they throw fails the call.
 *
 * @example
 * const ferry = createFerry({ baseURL, apiKey, hooks: {
 *   beforeRequest: ({ headers }) => headers.set('traceparent', currentTrace()),
 *   beforeRetry: ({ error, pauseMs }) => log.warn({ code: error.code, pauseMs }, 'llm call repeated'),
 * } })
 */
export interface FerryHooks {
  /** Before every attempt. */
  readonly beforeRequest?: ((event: RequestEvent) => void | Promise<void>) | undefined
  /** At the head of every answer, errors included. */
  readonly afterResponse?: ((event: ResponseEvent) => void | Promise<void>) | undefined
  /** Before the pause that precedes a retry. */
  readonly beforeRetry?: ((event: RetryEvent) => void | Promise<void>) | undefined
  /** When a call fails for good, for streams also in mid-stream. Not when you abort it yourself. */
  readonly beforeError?: ((event: ErrorEvent) => void) | undefined
  /** When a call has been answered to its end. */
  readonly afterFinish?: ((event: FinishEvent) => void) | undefined
}
