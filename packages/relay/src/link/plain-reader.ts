import type { ServerResponse } from 'node:http'
import type { AnswerHead, Ending, Reader } from './durable-exchange.ts'
import { SocketWatch } from './socket-watch.ts'

/** Carries an answer as the vendor gave it, for callers that speak no frames. */
export class PlainReader implements Reader {
  readonly #response: ServerResponse
  readonly #isResume: boolean
  readonly #watch: SocketWatch

  /** @param stallMs how long the caller may leave what was written unread, in ms. */
  constructor(response: ServerResponse, isResume: boolean, stallMs: number) {
    this.#response = response
    this.#isResume = isResume
    this.#watch = new SocketWatch(response, stallMs)
  }

  head({ status, reason, headers }: AnswerHead): void {
    const response = this.#response
    const kept = this.#isResume ? withoutLength(headers) : [...headers]
    response.sendDate = false
    if (/^[\x20-\x7e]+$/.test(reason)) response.writeHead(status, reason, kept)
    else response.writeHead(status, kept)
    response.flushHeaders()
  }

  data(bytes: Buffer): boolean {
    return this.#watch.wrote(this.#response.write(bytes))
  }

  end(ending: Ending): void {
    const response = this.#response
    if (ending.kind === 'failed') {
      // Not in this turn, in which the last bytes still wait to be written.
      setImmediate(() => response.destroy())
      return
    }
    if (ending.trailers.length > 0 && response.chunkedEncoding) response.addTrailers(pairs(ending.trailers))
    response.end()
    this.#watch.ended()
  }
}

// The vendor's length is that of the whole body.
function withoutLength(headers: readonly string[]): string[] {
  return headers.filter((_, index) => headers[index - (index % 2)]?.toLowerCase() !== 'content-length')
}

function pairs(flat: readonly string[]): [string, string][] {
  const list: [string, string][] = []
  for (let i = 0; i + 1 < flat.length; i += 2) list.push([flat[i] ?? '', flat[i + 1] ?? ''])
  return list
}
