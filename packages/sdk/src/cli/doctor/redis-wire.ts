import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

const TIMEOUT_MS = 5_000

/** What Redis answers; null: there is no such thing. */
export type Reply = string | number | null | readonly Reply[]

/** One server. */
export interface Place {
  readonly host: string
  readonly port: number
  readonly tls: boolean
}

/**
 * Sends commands over a connection of their own, and returns the answers.
 *
 * @throws Error with Redis's own words for the first command that it refuses, and with the system's for a connection that fails.
 */
export function askRedis(
  { host, port, tls }: Place,
  commands: readonly (readonly string[])[],
): Promise<readonly Reply[]> {
  return new Promise((resolve, reject) => {
    const socket: Socket = tls ? connectTls({ host, port, servername: host }) : connect({ host, port })
    const end = (error: Error): void => {
      socket.destroy()
      reject(error)
    }
    const late = setTimeout(() => end(new Error(`no answer within ${TIMEOUT_MS} ms`)), TIMEOUT_MS)
    socket.once('error', end)
    socket.once('close', () => {
      clearTimeout(late)
      reject(new Error('the connection was closed'))
    })
    socket.once(tls ? 'secureConnect' : 'connect', () => socket.write(commands.map(encoded).join('')))
    let text = ''
    // One character a byte: lengths are in bytes.
    socket.setEncoding('latin1').on('data', (piece: string) => {
      text += piece
      try {
        const replies = parsed(text)
        if (replies.length < commands.length) return
        resolve(replies)
        socket.destroy()
      } catch (error) {
        end(error as Error)
      }
    })
  })
}

const encoded = (words: readonly string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`

/** The replies that are whole. @throws Error for one that is an error. */
function parsed(text: string): readonly Reply[] {
  const replies: Reply[] = []
  for (let at = 0; at < text.length; ) {
    const next = replyAt(text, at)
    if (next === undefined) break
    replies.push(next.reply)
    at = next.end
  }
  return replies
}

function replyAt(text: string, at: number): { reply: Reply; end: number } | undefined {
  const newline = text.indexOf('\r\n', at)
  if (newline < 0) return undefined
  const [kind, line, end] = [text[at], text.slice(at + 1, newline), newline + 2]
  if (kind === '-') throw new Error(line)
  if (kind === '+') return { reply: line, end }
  if (kind === ':') return { reply: Number(line), end }
  if (kind === '$') {
    const length = Number(line)
    if (length < 0) return { reply: null, end }
    return text.length < end + length + 2
      ? undefined
      : { reply: Buffer.from(text.slice(end, end + length), 'latin1').toString(), end: end + length + 2 }
  }
  if (kind !== '*') throw new Error('what answers is no Redis')
  const items: Reply[] = []
  let itemAt = end
  for (let i = 0; i < Number(line); i++) {
    const item = replyAt(text, itemAt)
    if (item === undefined) return undefined
    items.push(item.reply)
    itemAt = item.end
  }
  return { reply: Number(line) < 0 ? null : items, end: itemAt }
}
