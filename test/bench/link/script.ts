/** From a request's last byte to its first token, at the vendor itself. */
export const FIRST_TOKEN_MS = 50
/** From token to token. */
export const TOKEN_MS = 50
/** Tokens of a call that counts: four seconds. */
export const TOKENS = 80

const WORDS = [
  '渡',
  '轮',
  '在',
  '夜',
  '里',
  '过',
  '江',
  '，',
  ' the',
  ' ferry',
  ' crosses',
  ' at',
  ' night',
  '。',
  ' slow',
  '灯',
]

/** The token of this number; numbered, so that none can be missing or doubled unseen. */
export const tokenOf = (i: number): string => `${WORDS[i % WORDS.length]}${i}`

/** The whole text of a call. */
export const textOf = (tokens: number): string => Array.from({ length: tokens }, (_, i) => tokenOf(i)).join('')

/** What a client is asked to do. */
export interface Job {
  readonly way: Way
  readonly baseUrl: string
  /** In the calls' names. */
  readonly name: string
  readonly calls: number
  /** Between the starts of two calls, in ms; 0: each begins when the one before has ended. */
  readonly apartMs: number
  /** Pause before each call that waits for the one before, in ms. */
  readonly pauseMs: number
  readonly promptBytes: number
  readonly tokens: number
}

/** What became of one call. */
export interface Call {
  readonly name: string
  readonly isWhole: boolean
  readonly firstTokenMs: number | undefined
  readonly gapsMs: readonly number[]
  readonly error: string | undefined
}

/** How a call reaches the vendor. */
export type Way = 'nginx' | 'relay' | 'link' | 'bff'
