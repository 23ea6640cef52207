import { Readable } from 'node:stream'
import { FerryError } from '@llm-ferry/sdk'
import { ByteQueue, type ConnectionPool } from '@llm-ferry/sdk/link'
import { type Dispatcher, errors as undiciErrors } from 'undici'
import { AttemptFailure } from './dispatch/failure.ts'
import type { Exchange, OutgoingRequest } from './transport.ts'

type Answer = Omit<Exchange, 'relay'>

/** Errors of undici and the system that are raised before a byte of the request has left. */
const BEFORE_SENDING: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
])

/** Sends a request over a connection of the pool. @throws {AttemptFailure} when there is no answer. */
export async function sendOnce(
  pool: ConnectionPool,
  path: string,
  request: OutgoingRequest,
  credential: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Answer> {
  const { method, headers, body = null } = request
  try {
    return await new Promise<Answer>((resolve, reject) => {
      const source = body instanceof Readable ? body : undefined
      const handler = new AnswerHandler({ source, signal, resolve, reject })
      pool.dispatch(
        { path, method: method as Dispatcher.HttpMethod, headers: { ...headers, ...credential }, body },
        handler,
      )
    })
  } catch (error) {
    throw connectionFailure(error, signal)
  }
}

interface Asked {
  /** What is read as it is sent, and ends with the request. */
  readonly source: Readable | undefined
  readonly signal: AbortSignal
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: unknown) => void
}

/**
 * Takes one answer in as undici reads it. undici's own `request` puts a stream of Node's behind each answer, which costs
 * more than the rest of it.
 */
class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #asked: Asked
  readonly #onAbort = (): void => this.#abort(this.#asked.signal.reason)
  #controller: Dispatcher.DispatchController | undefined
  #queue: ByteQueue | undefined

  constructor(asked: Asked) {
    this.#asked = asked
    asked.signal.addEventListener('abort', this.#onAbort, { once: true })
    if (asked.signal.aborted) this.#onAbort()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#asked.signal.aborted) controller.abort(this.#asked.signal.reason)
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Exchange['headers']): void {
    if (status < 200) return
    // Slices of all that the socket brought: nobody reads them, and an open stream would hold them.
    controller.rawHeaders = null
    this.#queue = new ByteQueue({
      pause: () => controller.pause(),
      resume: () => controller.resume(),
      cancel: () => this.#abort(new Error('The rest of the answer is not wanted')),
    })
    this.#asked.resolve({ status, headers, body: this.#queue })
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#queue?.push(chunk)
  }

  onResponseEnd(): void {
    this.#over()
    this.#queue?.end()
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#over()
    this.#asked.reject(error)
    this.#queue?.end(error)
    this.#asked.source?.on('error', () => {}).destroy(error)
  }

  #abort(reason: Error): void {
    this.#asked.reject(reason)
    this.#controller?.abort(reason)
  }

  #over(): void {
    this.#asked.signal.removeEventListener('abort', this.#onAbort)
  }
}

function connectionFailure(error: unknown, signal: AbortSignal): AttemptFailure {
  if (signal.aborted && FerryError.is(signal.reason)) return new AttemptFailure(signal.reason, 'unknown')
  // A body that is read as it is sent may turn out too large, or end with its caller.
  if (FerryError.is(error)) return new AttemptFailure(error, 'unknown')
  const code = errorCode(error)
  const origin = BEFORE_SENDING.has(code) ? 'unreached' : 'unknown'
  const message =
    origin === 'unreached'
      ? `No connection could be made (${code})`
      : `The connection broke before an answer came (${code})`
  const kind = origin === 'unreached' ? 'upstream_unreachable' : 'upstream_truncated'
  return new AttemptFailure(new FerryError(kind, message, { cause: error }), origin)
}

function errorCode(error: unknown): string {
  // Node tries all addresses of a name and wraps what each one said.
  const inner = error instanceof AggregateError ? error.errors[0] : error
  if (inner instanceof undiciErrors.UndiciError) return inner.code
  return (inner as NodeJS.ErrnoException | undefined)?.code ?? 'unknown error'
}
