// The other end of the SDK's benchmark, in a process of its own: answers at once, as a BFF does.
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as tick } from 'node:timers/promises'

const about = { id: 'chatcmpl-1', created: 1, model: 'gpt-x' }
const message = { role: 'assistant', content: '渡船早上六点开。', refusal: null }
const usage = { prompt_tokens: 12, completion_tokens: 8, total_tokens: 20 }
const ANSWER = JSON.stringify({
  ...about,
  object: 'chat.completion',
  choices: [{ index: 0, message, finish_reason: 'stop', logprobs: null }],
  usage,
})

const event = (delta: object, finish_reason: string | null = null): string => {
  const choices = [{ index: 0, delta, finish_reason }]
  return `data: ${JSON.stringify({ ...about, object: 'chat.completion.chunk', choices })}\n\n`
}
const FIRST = event({ role: 'assistant', content: '' })
const PIECE = event({ content: ' ferry' })
const LAST = `${event({}, 'stop')}data: ${JSON.stringify({ ...about, object: 'chat.completion.chunk', choices: [], usage })}\n\ndata: [DONE]\n\n`

/** `burst-1000`: that many events at once; `ticks-200`: each by itself. */
async function stream(model: string, response: ServerResponse): Promise<void> {
  const [kind, count] = model.split('-')
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  if (kind === 'burst') {
    response.end(FIRST + PIECE.repeat(Number(count)) + LAST)
    return
  }
  response.write(FIRST)
  for (let i = 0; i < Number(count) && !response.destroyed; i++) {
    response.write(PIECE)
    await tick()
  }
  response.end(LAST)
}

const server = createServer(async (request, response) => {
  response.socket?.setNoDelay(true)
  let body = ''
  for await (const piece of request.setEncoding('utf8')) body += piece
  if (request.method === 'DELETE') response.writeHead(204).end()
  else if (body.includes('"stream":true')) await stream(JSON.parse(body).model, response)
  else response.writeHead(200, { 'content-type': 'application/json' }).end(ANSWER)
})
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.once('disconnect', () => process.exit())
