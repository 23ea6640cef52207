import { createInterface } from 'node:readline'
import { wrongUse } from './command.ts'

/** Asks a question and returns the answer, trimmed. */
export type Asker = (question: string) => Promise<string>

/** Asks one question after the other on stdin, which may be a pipe that holds all answers already. */
export function createAsker(out: (text: string) => void): Asker {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
  return async (question) => {
    out(question)
    process.stdin.ref()
    const { value, done } = await lines.next()
    // Nothing more is read unless asked for: the process may end.
    process.stdin.unref()
    if (done) throw wrongUse('the answers ended early: nothing was written')
    return String(value).trim()
  }
}
