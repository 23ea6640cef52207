import { createServer, type Server, type ServerResponse } from 'node:http'
import { listen } from '@llm-ferry/kit'

/** A vendor that streams chats slowly and counts how often each was asked for. */
export interface StreamingVendor {
  readonly port: number
  readonly origin: string
  /** Calls by the id in their prompt: `call:ID`. */
  readonly calls: ReadonlyMap<string, number>
  stop(): Promise<void>
}

/** Pieces of each answer, and the pause before each in ms. */
export const PIECES = 20
const PAUSE_MS = 60

const chunk = (delta: object, finish: string | null = null): string =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1764000000, model: 'gpt-x', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
const USAGE = `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1764000000, model: 'gpt-x', choices: [], usage: { prompt_tokens: 3, completion_tokens: PIECES, total_tokens: PIECES + 3 } })}\n\n`

/** @param host address to listen on; containers need one that they can reach. */
export async function startVendor(host = '127.0.0.1'): Promise<StreamingVendor> {
  const calls = new Map<string, number>()
  const server: Server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text
    })
    request.on('end', () => {
      const id = /call:([\w-]+)/.exec(body)?.[1] ?? 'unnamed'
      calls.set(id, (calls.get(id) ?? 0) + 1)
      answer(response)
    })
  })
  const port = await listen(server, 0, host)
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    calls,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function answer(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  let piece = 0
  const timer = setInterval(() => {
    if (piece < PIECES) response.write(chunk({ content: `w${piece++} ` }))
    else {
      clearInterval(timer)
      response.end(`${chunk({}, 'stop')}${USAGE}data: [DONE]\n\n`)
    }
  }, PAUSE_MS)
  response.on('close', () => clearInterval(timer))
}
