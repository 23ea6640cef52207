import type { FerryError } from '@llm-ferry/sdk'
import type { Output } from '../answer.ts'
import type { Source } from '../copy.ts'
import { errorAnswer } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { DurableExchange } from './durable-exchange.ts'

const NO_SOURCE: Source = { pause() {}, resume() {} }

/** Lets a vendor's answer go into a durable exchange, whatever becomes of the connection that asked for it. */
export class DurableOutput implements Output {
  readonly #call: Exchange
  readonly #durable: DurableExchange

  constructor(call: Exchange, durable: DurableExchange) {
    this.#call = call
    this.#durable = durable
  }

  get hasHead(): boolean {
    return this.#durable.hasHead
  }

  head(status: number, reason: string, headers: readonly string[]): void {
    this.#durable.answer({ status, reason, headers })
  }

  data(chunk: Buffer, source: Source): void {
    this.#durable.add(chunk, source)
  }

  end(trailers: readonly [string, string][] = []): void {
    this.#durable.finish({ kind: 'complete', bytes: this.#durable.end, trailers: trailers.flat() })
  }

  breakOff(_: unknown, error: FerryError | undefined): void {
    const { code = 'upstream_truncated' as const, message = '' } = error ?? {}
    this.#durable.finish({ kind: 'failed', code, message })
  }

  /** The relay's own word is the exchange's one answer: a resume gets it again. */
  refuse(error: FerryError): void {
    const call = this.#call
    const { headers, body } = errorAnswer(call, error)
    call.outcome ??= 'refused'
    call.errorCode ??= error.code
    call.status = error.status
    this.#durable.answer({ status: error.status, reason: '', headers })
    this.#durable.add(body, NO_SOURCE)
    this.end()
  }
}
