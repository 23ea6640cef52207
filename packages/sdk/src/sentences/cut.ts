import { isAbbreviation } from './abbreviations.ts'
import {
  isDigit,
  isSpace,
  isTerminal,
  isWide,
  NARROW_TAIL,
  SOFT_NARROW,
  SOFT_WIDE,
  STRONG,
  STRONG_TAIL,
  weightOf,
} from './characters.ts'
import type { SentenceLimits } from './options.ts'

/** What a cut depends on beside the text. */
export interface CutContext {
  readonly limits: SentenceLimits
  /** Whether nothing has been said yet: the listener waits. */
  readonly first: boolean
  /** Whether no text will follow. */
  readonly final: boolean
}

/** How a character bears on a cut: its place, no cut here, or not to be told before more text is there. */
type Verdict = number | 'none' | 'wait'

// How far an end is followed by blanks, brackets and figures until a letter shows whether it is one.
const LOOKAHEAD = 24
// Longest run of marks that is taken for one end: what waits must be bounded.
const LONGEST_RUN = 16
// One language for all, so that the same text is cut in the same way on every machine.
const sentences = new Intl.Segmenter('en', { granularity: 'sentence' })
const words = new Intl.Segmenter('en', { granularity: 'word' })

/**
 * Where the text's first sentence ends; 0 when that is not to be told yet.
 *
 * Every verdict rests on the text up to a fixed distance behind it and is given once that text is there, never on what
 * happens to have arrived: so any chunking gives the same sentences.
 */
export function nextCut(text: string, context: CutContext): number {
  let weight = 0
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at)
    weight += weightOf(char)
    const verdict = verdictAt(text, at, char, weight, context)
    if (verdict === 'wait') return context.final ? text.length : 0
    if (verdict !== 'none') return verdict
    if (weight > context.limits.maxLength) return betweenWords(text.slice(0, at + 1))
  }
  return context.final ? text.length : 0
}

function verdictAt(text: string, at: number, char: string, weight: number, context: CutContext): Verdict {
  if (char === '\n' || char === '；') return at + 1
  if (STRONG.has(char)) return context.first ? at + 1 : strongEnd(text, at)
  if (char === '…') return ellipsisEnd(text, at, context.first)
  if (isTerminal(char)) return terminalEnd(text, at, char, context.final)
  const { firstLength, softLength } = context.limits
  return weight >= (context.first ? firstLength : softLength) ? softEnd(text, at, char) : 'none'
}

function strongEnd(text: string, at: number): Verdict {
  const end = runEnd(text, at + 1, (char) => STRONG_TAIL.has(char))
  return end < text.length ? end : 'wait'
}

// “……” ends a sentence, or hesitates in its middle.
function ellipsisEnd(text: string, at: number, first: boolean): Verdict {
  const belongs = (char: string) => char === '…' || (STRONG_TAIL.has(char) && !(first && STRONG.has(char)))
  const end = runEnd(text, at + 1, belongs)
  if (end === text.length) return 'wait'
  return isSpace(text[end]) || isWide(text[end]) ? end : 'none'
}

/** Ends as Unicode has them (UAX 29), less those in addresses, names, numbers, lists and abbreviations. */
function terminalEnd(text: string, at: number, char: string, final: boolean): Verdict {
  const end = runEnd(text, at + 1, (each) => NARROW_TAIL.has(each))
  if (end === text.length) return 'wait'
  if (isWide(text[end])) return isAbbreviation(text.slice(0, at), text[end]) || isDigit(text[at - 1]) ? 'none' : end
  if (!isSpace(text[end])) return char < '\x7f' ? 'none' : end
  const behind = text.slice(end, end + LOOKAHEAD)
  const next = behind.trimStart()[0]
  // The end of the line is a cut itself.
  if (behind.slice(0, next === undefined ? LOOKAHEAD : behind.indexOf(next)).includes('\n')) return 'none'
  const settling = char === '.' ? /[\p{L}\p{Sentence_Terminal}]|^\s+\d/u : /\S/u
  if (!final && behind.length < LOOKAHEAD && !settling.test(behind)) return 'wait'
  if (char === '.' && isAbbreviation(text.slice(0, at), next)) return 'none'
  // Unicode takes “… here. 3 cats” for one sentence, because of the small letter behind the number.
  return isDigit(next) || breaksAt(text.slice(0, end) + behind, at, end) ? end : 'none'
}

function breaksAt(text: string, at: number, end: number): boolean {
  const sentence = sentences.segment(text).containing(at)
  if (!sentence) return false
  const sentenceEnd = sentence.index + sentence.segment.length
  return sentenceEnd >= end && text.slice(end, sentenceEnd).trim() === ''
}

function softEnd(text: string, at: number, char: string): Verdict {
  const next = text[at + 1]
  if (SOFT_WIDE.has(char)) {
    // 12：30 is a time, 1，000 a number.
    if (!isDigit(text[at - 1])) return at + 1
    return next === undefined ? 'wait' : isDigit(next) ? 'none' : at + 1
  }
  if (!SOFT_NARROW.has(char)) return 'none'
  return next === undefined ? 'wait' : isSpace(next) || isWide(next) ? at + 1 : 'none'
}

function runEnd(text: string, from: number, belongs: (char: string) => boolean): number {
  let end = from
  while (end < text.length && end - from < LONGEST_RUN && belongs(text.charAt(end))) end++
  return end
}

// The last word may go on, so the cut lies before it; at a blank where there is one, which spares addresses.
function betweenWords(text: string): number {
  const blank = text.search(/\s\S*$/)
  if (blank > text.length / 2) return blank + 1
  let last = 0
  for (const { index } of words.segment(text)) last = index
  if (last > 0) return last
  return /[\ud800-\udbff]$/.test(text) ? text.length - 1 : text.length
}
