import { nextCut } from './cut.ts'
import { type SentenceLimits, type SentenceOptions, sentenceLimits } from './options.ts'
import { speakable } from './speech.ts'

/** A piece of an answer. */
export interface Sentence {
  /** What a voice should say: no Markdown, no code, no emoji. '' when there is nothing to say. */
  readonly text: string
  /** The piece as it was written. All of them together are the whole answer, each character once. */
  readonly raw: string
}

const FENCE = /^ {0,3}(`{3,}|~{3,})/
const LONGEST_CODE_LINE = 4096
const MAYBE_FENCE = /^ {0,3}(`{0,2}|~{0,2})$/

/**
 * Cuts text that arrives in pieces into sentences for a voice, as early as is right. The same text gives the same
 * sentences however it arrives.
 *
 * `ChatStream.sentences()` does this for a stream; use the splitter for text from elsewhere.
 *
 * @example
 * const splitter = new SentenceSplitter()
 * for await (const piece of pieces) for (const { text } of splitter.push(piece)) if (text) speak(text)
 * for (const { text } of splitter.end()) if (text) speak(text)
 */
export class SentenceSplitter {
  readonly #limits: SentenceLimits
  #pending = ''
  #atLineStart = true
  #fence: string | undefined
  #first = true

  constructor(options?: SentenceOptions) {
    this.#limits = sentenceLimits(options)
  }

  /** Takes the next text, and gives the sentences that are complete with it. */
  push(text: string): Sentence[] {
    this.#pending += text
    return this.#take(false)
  }

  /** Gives the rest. The splitter is then ready for the next text. */
  end(): Sentence[] {
    const rest = this.#take(true)
    this.#atLineStart = true
    this.#fence = undefined
    this.#first = true
    return rest
  }

  #take(final: boolean): Sentence[] {
    const sentences: Sentence[] = []
    while (this.#pending !== '') {
      const length = this.#nextLength(final)
      if (length === 0) break
      sentences.push(this.#cut(length))
    }
    return sentences
  }

  #nextLength(final: boolean): number {
    const text = this.#pending
    if (this.#fence) return codeLength(text, final)
    if (this.#atLineStart && opening(text)) return codeLength(text, final)
    if (this.#atLineStart && !final && MAYBE_FENCE.test(text)) return 0
    return nextCut(text, { limits: this.#limits, first: this.#first, final })
  }

  #cut(length: number): Sentence {
    const raw = this.#pending.slice(0, length)
    this.#pending = this.#pending.slice(length)
    const text = this.#isCode(raw) ? '' : speakable(raw)
    this.#atLineStart = raw.endsWith('\n')
    if (text !== '') this.#first = false
    return { text, raw }
  }

  #isCode(raw: string): boolean {
    const fence = this.#fence
    if (fence) {
      if (this.#atLineStart && closes(raw, fence)) this.#fence = undefined
      return true
    }
    this.#fence = this.#atLineStart ? opening(raw) : undefined
    return this.#fence !== undefined
  }
}

// Code goes line by line, so that a long listing is not held back, and endless lines in parts.
function codeLength(text: string, final: boolean): number {
  const lineEnd = text.slice(0, LONGEST_CODE_LINE).indexOf('\n') + 1
  if (lineEnd > 0) return lineEnd
  if (text.length >= LONGEST_CODE_LINE) return LONGEST_CODE_LINE
  return final ? text.length : 0
}

// ```code``` in one line is no fence, which would swallow all that follows.
function opening(text: string): string | undefined {
  const [line = '', marks] = FENCE.exec(text) ?? []
  const info = text.slice(line.length).split('\n', 1)[0] ?? ''
  return info.includes('`') ? undefined : marks
}

function closes(line: string, fence: string): boolean {
  const marks = line.trim()
  return marks.length >= fence.length && marks.startsWith(fence) && marks === marks.charAt(0).repeat(marks.length)
}
