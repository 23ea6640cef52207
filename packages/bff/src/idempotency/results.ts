import { openBytes, sealBytes } from '../sealed.ts'
import type { CallIdentity } from './identity.ts'
import type { AnswerHead } from './recording.ts'

/** Largest answer that is stored, in bytes. */
export const MAX_RESULT_BYTES: number = 1024 * 1024
/** What one process stores in the time that an answer is kept, in bytes. */
const MAX_ALL_BYTES: number = 256 * 1024 * 1024

/** A whole answer, as it is stored. */
export interface Result {
  readonly head: AnswerHead
  readonly body: Buffer
  readonly target: { readonly vendor: string; readonly model: string } | undefined
}

/** The length of the JSON before the body, then both; sealed, as it may lie in Redis. */
export function sealResult({ head, body, target }: Result, { secret, name }: CallIdentity): Buffer {
  const json = Buffer.from(JSON.stringify({ head, target }))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(json.length)
  return sealBytes(Buffer.concat([length, json, body]), secret, name)
}

/** The answer, or `undefined` when it is another call's, or damaged. */
export function openResult(sealed: Buffer, { secret, name }: CallIdentity): Result | undefined {
  const bytes = openBytes(sealed, secret, name)
  if (bytes === undefined) return undefined
  const end = 4 + bytes.readUInt32BE(0)
  const { head, target } = JSON.parse(bytes.toString('utf8', 4, end)) as Omit<Result, 'body'>
  return { head, target, body: bytes.subarray(end) }
}

/** Bounds what this process stores in all. */
export class ResultBudget {
  readonly #resultMs: number
  readonly #stored: { readonly at: number; readonly bytes: number }[] = []
  #bytes = 0

  /** @param resultMs how long an answer is stored. */
  constructor(resultMs: number) {
    this.#resultMs = resultMs
  }

  /** Takes room for an answer; false when there is none. */
  take(bytes: number): boolean {
    const now = performance.now()
    const first = this.#stored.findIndex(({ at }) => now - at < this.#resultMs)
    const gone = this.#stored.splice(0, first === -1 ? this.#stored.length : first)
    for (const { bytes } of gone) this.#bytes -= bytes
    if (this.#bytes + bytes > MAX_ALL_BYTES) return false
    this.#stored.push({ at: now, bytes })
    this.#bytes += bytes
    return true
  }
}
