import ky, { isHTTPError, isTimeoutError, type KyResponse, type ResponsePromise } from 'ky'
import { FerryError } from './errors.ts'
import { answeredError, requestIdOf, toldToRetry } from './failure.ts'
import { leaveCall, userHeader } from './leave.ts'
import { type CallMeta, readMeta } from './meta.ts'
import { connectionError, lostError, timeoutError } from './network.ts'
import { type CallOptions, type CallSettings, callSettings, type Settings } from './options.ts'
import { retryPause } from './retry.ts'
import { HEADERS } from './schema/headers.ts'
import { sleep } from './sleep.ts'

/** What to call. */
export interface Target {
  readonly method: 'GET' | 'POST'
  /** Below the server's root, such as `/v1/models`. */
  readonly path: string
  /** Sent as JSON. */
  readonly body?: unknown
  readonly accept?: 'application/json' | 'text/event-stream'
}

/** How often a call comes back for its answer, and the first pause before it does, in ms. */
const MOST_REATTACHED = 100
const FIRST_PAUSE_MS = 100

/** One call: its attempts, its deadline, and its end. ky runs the attempts; what is sent and when to repeat is here. */
export class Call {
  readonly options: CallSettings
  readonly #settings: Settings
  readonly #target: Target
  readonly #url: string
  readonly #body: string | undefined
  readonly #key: string | undefined
  readonly #signal: AbortSignal | undefined
  readonly #controller = new AbortController()
  readonly #startedAt = performance.now()
  #attempts = 0
  #reattached = 0
  #deadline: ReturnType<typeof setTimeout> | undefined
  #over = false

  constructor(settings: Settings, target: Target, options: CallOptions = {}) {
    this.options = callSettings(settings.shared, options)
    this.#settings = settings
    this.#target = target
    this.#url = settings.root + target.path
    this.#body = target.body === undefined ? undefined : JSON.stringify(target.body)
    this.#key = target.method === 'POST' ? (options.idempotencyKey ?? settings.newKey()) : undefined
    this.#signal = options.signal
    if (options.signal?.aborted) this.#controller.abort(options.signal.reason)
    else options.signal?.addEventListener('abort', this.#onAbort)
  }

  /** Time left until the deadline, in ms. */
  get remainingMs(): number {
    return this.options.deadlineMs - (performance.now() - this.#startedAt)
  }

  /** The head of the answer. */
  async open(): Promise<Response> {
    try {
      const response = await this.#start()
      clearTimeout(this.#deadline)
      return response
    } catch (error) {
      throw this.fail(error)
    }
  }

  /** The whole answer, as JSON. */
  async json(): Promise<{ readonly value: unknown; readonly meta: CallMeta }> {
    let response: KyResponse | undefined
    try {
      response = await this.#start()
      let text = await this.#text(response)
      while (text === undefined) {
        response = await this.reattach()
        text = await this.#text(response)
      }
      const value: unknown = parse(text, response)
      const meta = readMeta(response.headers, this.retries)
      this.finish(meta)
      return { value, meta }
    } catch (error) {
      throw this.fail(error, response)
    }
  }

  /** Whether {@link Call.reattach} gets the answer that this one is, and no second one. */
  canReattach({ headers }: Response): boolean {
    return this.#key !== undefined && headers.has(HEADERS.idempotency) && this.#reattached < MOST_REATTACHED
  }

  /** Asks for the same answer again, from its first byte, after the line to it was lost. By its key the server knows it. */
  async reattach(): Promise<Response> {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs *= 2) {
      this.#reattached++
      try {
        const response = await this.#attempt(this.#controller.signal)
        if (response.ok) return response
        throw answeredError(response.status, response.headers, await response.json().catch(() => undefined))
      } catch (error) {
        const isLine = FerryError.is(error) && error.code === 'upstream_unreachable' && !this.#over
        if (!isLine || this.#reattached >= MOST_REATTACHED) throw error
        await sleep(pauseMs, this.#controller.signal)
      }
    }
  }

  /** Retries made so far. */
  get retries(): number {
    return Math.max(0, this.#attempts - 1)
  }

  /** The answer is complete. */
  finish(meta: CallMeta): void {
    if (this.#over) return
    this.#end()
    const durationMs = performance.now() - this.#startedAt
    this.#settings.hooks.afterFinish?.({ method: this.#target.method, url: this.#url, meta, durationMs })
  }

  /** Leaves the call: the connection is closed, and the server told, so that the vendor's work ends at once. */
  cancel(reason?: unknown): void {
    if (this.#over) return
    this.#end()
    this.#controller.abort(reason)
    this.#leave()
  }

  /** The call has failed: gives what to throw. The connection, if any is left, is closed. */
  fail(error: unknown, response?: Response): unknown {
    if (this.#signal?.aborted) {
      this.cancel(this.#signal.reason)
      return this.#signal.reason
    }
    const failure = this.#explain(error, response)
    if (this.#over) return failure
    this.#end()
    this.#controller.abort(failure)
    if (!isHTTPError(error) && mayStillRun(failure)) this.#leave()
    if (FerryError.is(failure)) this.#reportFailure(failure)
    return failure
  }

  #start(): ResponsePromise {
    this.#controller.signal.throwIfAborted()
    this.#deadline = setTimeout(this.#onDeadline, this.remainingMs)
    return ky(this.#url, {
      method: this.#target.method,
      redirect: 'manual',
      timeout: this.options.attemptTimeoutMs ?? false,
      fetch: (request) => this.#attempt((request instanceof Request ? request : new Request(request)).signal),
      retry: {
        limit: this.options.maxRetries,
        methods: ['get', 'post'],
        backoffLimit: Number.POSITIVE_INFINITY,
        shouldRetry: ({ error, retryCount }) => this.#shouldRetry(error, retryCount),
        // The pause is made in `shouldRetry`, where leaving the call ends it.
        delay: () => 0,
      },
    })
  }

  #headers(): Headers {
    const { user, cacheControl, headers } = this.options
    return new Headers({
      accept: this.#target.accept ?? 'application/json',
      ...(this.#body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(this.#key === undefined ? {} : { 'idempotency-key': this.#key }),
      ...userHeader(user),
      ...(cacheControl === undefined ? {} : { 'cache-control': cacheControl }),
      ...headers,
    })
  }

  // ky gets no body, which it would tee for retries, and neither headers nor signal, whose copies cost more than all else
  // here; its `afterResponse` hook, which tees the answer, is not used.
  async #attempt(own: AbortSignal): Promise<Response> {
    const { method } = this.#target
    const headers = this.#headers()
    const whole = this.#controller.signal
    const signal = this.options.attemptTimeoutMs === undefined ? whole : AbortSignal.any([whole, own])
    const about = { method, url: this.#url, attempt: ++this.#attempts, headers }
    if (!headers.has('authorization')) headers.set('authorization', `Bearer ${await this.#settings.apiKey()}`)
    if (this.options.timeoutMs !== undefined) headers.set(HEADERS.timeoutMs, String(Math.ceil(this.remainingMs)))
    await this.#settings.hooks.beforeRequest?.(about)
    const startedAt = performance.now()
    const response = await this.#fetch({ method, headers, signal, redirect: 'manual', body: this.#body ?? null })
    const { status } = response
    if (response.headers.has(HEADERS.idempotency)) this.#settings.server.isIdempotent = true
    const durationMs = performance.now() - startedAt
    await this.#settings.hooks.afterResponse?.({ ...about, status, headers: response.headers, durationMs })
    return response
  }

  async #fetch(init: RequestInit): Promise<Response> {
    try {
      return await this.#settings.fetch(this.#url, init)
    } catch (error) {
      throw init.signal?.aborted ? error : connectionError(error, this.#target.method)
    }
  }

  async #shouldRetry(cause: Error, retry: number): Promise<boolean> {
    const error = this.#explain(cause)
    if (this.#signal?.aborted || !FerryError.is(error)) return false
    const told = isHTTPError(cause) ? toldToRetry(cause.response.headers) : this.#isSafe(error) || undefined
    const pauseMs = retryPause({ error, told, retry, remainingMs: this.remainingMs })
    if (pauseMs === undefined) return false
    const { method } = this.#target
    await this.#settings.hooks.beforeRetry?.({ method, url: this.#url, attempt: this.#attempts, error, pauseMs })
    await sleep(pauseMs, this.#controller.signal)
    return true
  }

  /** Whether a request that may have arrived can be sent again: the server is known to take it for the same by its key. */
  #isSafe({ code }: FerryError): boolean {
    return code === 'upstream_unreachable' && this.#key !== undefined && this.#settings.server.isIdempotent
  }

  /** The body; undefined when its line was lost and the same answer can be had again. */
  async #text(response: Response): Promise<string | undefined> {
    try {
      return await response.text()
    } catch (error) {
      if (!this.#controller.signal.aborted && this.canReattach(response)) return undefined
      throw error
    }
  }

  #explain(error: unknown, response?: Response): unknown {
    if (FerryError.is(error)) return error
    if (isHTTPError(error)) return answeredError(error.response.status, error.response.headers, error.data)
    if (isTimeoutError(error)) return timeoutError(error, this.#target.method)
    if (response) return lostError(error, requestIdOf(response.headers))
    return error
  }

  #reportFailure(error: FerryError): void {
    const { method } = this.#target
    this.#settings.hooks.beforeError?.({ method, url: this.#url, attempts: this.#attempts, error })
  }

  readonly #onAbort = (): void => {
    this.cancel(this.#signal?.reason)
  }

  readonly #onDeadline = (): void => this.#controller.abort(timeoutError(undefined, this.#target.method))

  #leave(): void {
    if (this.#key === undefined || this.#attempts === 0) return
    const { user, headers } = this.options
    leaveCall(this.#settings, this.#key, { ...userHeader(user), ...headers })
  }

  #end(): void {
    this.#over = true
    clearTimeout(this.#deadline)
    this.#signal?.removeEventListener('abort', this.#onAbort)
  }
}

// Whether the server may be at work on a call that failed here.
function mayStillRun(failure: unknown): boolean {
  if (!FerryError.is(failure)) return true
  if (failure.code === 'upstream_unreachable') return !failure.isRetryable
  return failure.code === 'upstream_timeout' || failure.code === 'upstream_truncated'
}

function parse(text: string, response: Response): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    const requestId = requestIdOf(response.headers)
    throw new FerryError('upstream_invalid', 'The answer is not JSON; is `baseURL` right?', { cause, requestId })
  }
}
