import { setTimeout as sleep } from 'node:timers/promises'
import { PIECES } from './vendor.ts'

/** What came of one streamed chat. */
export interface Chat {
  readonly id: string
  readonly status: number
  /** Its last word arrived, and the terminator behind it. */
  readonly isWhole: boolean
  /** A terminator arrived. */
  readonly hasTerminator: boolean
  /** Code of an error answer or an error event. */
  readonly error: string | undefined
  readonly requestId: string | null
  /** `performance.now()` when it began and when its first word arrived. */
  readonly startedAt: number
  readonly firstWordAt: number | undefined
}

/** Where chats go. */
export interface Door {
  readonly origin: string
  readonly key: string
}

let count = 0

/** Streams one chat to its end, whatever that is. */
export async function chat({ origin, key }: Door): Promise<Chat> {
  const id = `${process.pid}-${++count}`
  const startedAt = performance.now()
  let status = 0
  let requestId: string | null = null
  let text = ''
  let firstWordAt: number | undefined
  try {
    const answer = await fetch(`${origin}/v1/chat/completions`, {
      method: 'POST',
      // A server that goes closes its idle connections, and may meet a request on one: SDKs repeat that, this one does not.
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', connection: 'close' },
      body: JSON.stringify({
        model: 'openai/gpt-x',
        stream: true,
        messages: [{ role: 'user', content: `call:${id}` }],
      }),
    })
    status = answer.status
    requestId = answer.headers.get('x-ferry-request-id')
    for await (const piece of answer.body ?? []) {
      text += Buffer.from(piece).toString('utf8')
      if (firstWordAt === undefined && text.includes('w0 ')) firstWordAt = performance.now()
    }
  } catch (error) {
    text += `\n"code":"${(error as { cause?: { code?: string } }).cause?.code ?? 'connection'}"`
  }
  const hasTerminator = text.includes('data: [DONE]')
  return {
    id,
    status,
    isWhole: hasTerminator && text.includes(`w${PIECES - 1} `),
    hasTerminator,
    error: /"code":\s*"(\w+)"/.exec(text)?.[1],
    requestId,
    startedAt,
    firstWordAt,
  }
}

/** A steady number of chats under way. */
export interface Load {
  /** Lets those that run end, and returns all. */
  stop(): Promise<readonly Chat[]>
}

/** Keeps `width` chats under way, one after the other. */
export function load(door: Door, width: number): Load {
  const chats: Chat[] = []
  let isStopping = false
  const lanes = Array.from({ length: width }, async (_, lane) => {
    await sleep(lane * 37)
    while (!isStopping) chats.push(await chat(door))
  })
  return {
    stop: async () => {
      isStopping = true
      await Promise.all(lanes)
      return chats
    },
  }
}
