import type { Usage } from '@llm-ferry/sdk'
import type { Json } from './shared/json.ts'

/** What a native request says of itself, as far as keys, limits and the ledger ask. */
export interface NativeFacts {
  /** `undefined`: the operation names none. */
  readonly model: string | undefined
  readonly isStream: boolean
  readonly user?: string | undefined
  /** Most tokens of one answer. */
  readonly maxTokens?: number | undefined
  /** Answers asked for. */
  readonly choices?: number | undefined
  /** What would be kept in the vendor's account, or read from there, as a sentence; `undefined`: nothing. */
  readonly keeps?: string | undefined
}

/** How usage is read from answers that are no chat. */
export interface AnswerFacts {
  /** Usage in a whole answer or an event; `undefined`: not told. */
  usage(body: Json): Usage | undefined
  /** Text that an event adds. */
  text?(event: Json): string | undefined
  /** Whether an event is a stream's last one; absent: streams have no such event. */
  isLast?(event: Json | undefined, data: string): boolean
}

/** An operation of the vendor that leaves nothing in its account. */
export interface NativeOperation {
  readonly method: 'GET' | 'POST'
  /** Fits the path below the version. */
  readonly path: RegExp
  /** `form`: multipart, which streams; JSON is taken as well. */
  readonly body: 'none' | 'json' | 'form'
  /** How the answer is read: as the dialect's chat, as given, or not at all because it costs nothing. */
  readonly answer: 'chat' | 'free' | AnswerFacts
  facts(body: Json, path: RegExpExecArray): NativeFacts
  /** For streams that tell their usage only when asked. */
  readonly usageOnDemand?: {
    /** The body with the question in it; `undefined`: it has been asked for already. */
    ask(body: Json, text: string): string | undefined
    /** Whether an event is nothing but the answer to that question. */
    isAnswer(data: string): boolean
  }
}

/** What one message of a vendor's tells of a session. */
export interface SessionNews {
  /** A turn begins: what was told before belongs to earlier ones. */
  readonly begins?: boolean | undefined
  /** Usage of the turn until now; with `isWhole` of one thing that is over, besides the others. */
  readonly usage?: Usage | undefined
  readonly isWhole?: boolean | undefined
  /** Text and sound that it brings, to estimate by where the session ends before it tells its usage. */
  readonly text?: string | undefined
  readonly soundBytes?: number | undefined
}

/** A kind of session over WebSocket. All keep state in the vendor's account. */
export interface NativeSession {
  /** Fits the path below the version. */
  readonly path: RegExp
  /** Model that the address names. */
  modelOf(query: URLSearchParams): string | undefined
  /** Model that a message of the caller's names. */
  modelIn(message: Json): string | undefined
  /** Reads the vendor's messages of one session, one after the other. */
  reader(): (message: Json) => SessionNews
}

/** What a dialect's own SDKs may ask for, and how that is read. Data and pure functions. */
export interface NativeDialect {
  readonly operations: readonly NativeOperation[]
  /** Sessions whose usage can be read. Absent: none. */
  readonly sessions?: readonly NativeSession[]
  /** Names of headers, in questions and answers, that are about the vendor's account. */
  readonly accountHeaders: RegExp
  /** Whether every SDK of the vendor passes over comments in streams. */
  readonly takesComments: boolean
}

/** Operations that name nothing and cost nothing, such as a list of models. */
export const free = (path: RegExp): NativeOperation => ({
  method: 'GET',
  path,
  body: 'none',
  answer: 'free',
  facts: () => ({ model: undefined, isStream: false }),
})
