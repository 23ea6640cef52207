import type { Usage } from '@llm-ferry/sdk'
import { usageOf } from '../limits/meter.ts'
import type { NativeSession, SessionNews } from '../vendors/native.ts'
import { record } from '../vendors/shared/json.ts'

/** Longest message that is read; longer ones are sound, which tells no usage. */
const MAX_READ_BYTES = 1_048_576
/** Characters that are about one token, where the vendor does not count. */
const CHARACTERS_A_TOKEN = 3
/** Bytes of sound that are about one token: 24 kHz, 16 bits, about 24 tokens a second. */
const SOUND_BYTES_A_TOKEN = 2_000

/** What a session used. */
export interface SessionUse {
  readonly usage: Usage
  /** Part of it is our estimate: the session ended within a turn. */
  readonly isEstimated: boolean
  /** Model that the caller named in the session. */
  readonly model: string | undefined
}

/** Reads what passes through a session, for what it uses. What it cannot read, it leaves unread. */
export class SessionMeter {
  readonly #session: NativeSession | undefined
  readonly #read: ReturnType<NativeSession['reader']> | undefined
  #told: Usage = usageOf(0, 0)
  #turn: Usage | undefined
  #untold = 0
  #model: string | undefined

  /** @param session how the vendor's messages are read; `undefined`: nobody knows. */
  constructor(session: NativeSession | undefined) {
    this.#session = session
    this.#read = session?.reader()
  }

  fromCaller(message: Buffer): void {
    if (this.#session === undefined || this.#model !== undefined) return
    const parsed = parse(message)
    if (parsed) this.#model = this.#session.modelIn(parsed)
  }

  fromVendor(message: Buffer): void {
    if (this.#read === undefined) return
    const parsed = parse(message)
    if (parsed) this.#hear(this.#read(parsed))
  }

  /** What was used until now. */
  get use(): SessionUse {
    const known = this.#turn ? sum(this.#told, this.#turn) : this.#told
    const guessed = Math.ceil(this.#untold)
    const usage = guessed === 0 ? known : sum(known, usageOf(0, guessed))
    return { usage, isEstimated: guessed > 0, model: this.#model }
  }

  #hear({ begins, usage, isWhole, text, soundBytes }: SessionNews): void {
    if (begins) this.#endTurn()
    this.#untold += (text?.length ?? 0) / CHARACTERS_A_TOKEN + (soundBytes ?? 0) / SOUND_BYTES_A_TOKEN
    if (usage === undefined) return
    if (isWhole) this.#told = sum(this.#told, usage)
    else this.#turn = usage
    this.#untold = 0
  }

  #endTurn(): void {
    if (this.#turn) this.#told = sum(this.#told, this.#turn)
    this.#turn = undefined
  }
}

function parse(message: Buffer): ReturnType<typeof record> {
  if (message.length > MAX_READ_BYTES) return undefined
  try {
    return record(JSON.parse(message.toString('utf8')))
  } catch {
    return undefined
  }
}

function sum(a: Usage, b: Usage): Usage {
  const cached = (a.prompt_tokens_details?.cached_tokens ?? 0) + (b.prompt_tokens_details?.cached_tokens ?? 0)
  const reasoning =
    (a.completion_tokens_details?.reasoning_tokens ?? 0) + (b.completion_tokens_details?.reasoning_tokens ?? 0)
  return {
    ...usageOf(a.prompt_tokens + b.prompt_tokens, a.completion_tokens + b.completion_tokens),
    ...(cached > 0 && { prompt_tokens_details: { cached_tokens: cached } }),
    ...(reasoning > 0 && { completion_tokens_details: { reasoning_tokens: reasoning } }),
  }
}
