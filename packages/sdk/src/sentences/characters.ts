/** Ends of sentences that need no look at what follows. */
export const STRONG: ReadonlySet<string> = new Set('。！？｡')
/** What may follow a strong end and belongs to it. */
export const STRONG_TAIL: ReadonlySet<string> = new Set('。！？｡!?…～~”’」』）》】〉)]"\'*_')
/** The same for ASCII's ends and those of other scripts. */
export const NARROW_TAIL: ReadonlySet<string> = new Set('.!?…”’」』）》】〉)]}»"\'*_')
/** Ends of clauses, for pieces that are long enough. */
export const SOFT_WIDE: ReadonlySet<string> = new Set('，：')
export const SOFT_NARROW: ReadonlySet<string> = new Set(',;:')

const wide = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u
const term = /\p{Sentence_Terminal}/u

// One lookup a character: these run on every character of an answer.
const ASCII_WEIGHTS = Array.from({ length: 128 }, (_, code) => weigh(String.fromCharCode(code)))

export function weightOf(char: string): number {
  return ASCII_WEIGHTS[char.charCodeAt(0)] ?? weigh(char)
}

function weigh(char: string): number {
  if (wide.test(char)) return 1
  if (/\p{N}/u.test(char)) return 0.7
  if (/\p{L}/u.test(char)) return 0.35
  // Never nothing: what is held back is bounded by its weight.
  return 0.1
}

/** Whether the character ends sentences in some script, ASCII's among them. */
export const isTerminal = (char: string): boolean => term.test(char)
export const isWide = (char: string | undefined): boolean => char !== undefined && wide.test(char)
export const isDigit = (char: string | undefined): boolean => char !== undefined && /\d/.test(char)
export const isSpace = (char: string | undefined): boolean => char !== undefined && /\s/.test(char)
