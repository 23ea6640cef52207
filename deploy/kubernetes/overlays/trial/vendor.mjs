// Stands in for OpenAI in trials: answers chats word by word, as a stream or whole, and bills nothing.
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

const WORDS =
  '你好, this is the vendor of the trial: no model, no bill, and every word took its way over the relay.'.split(
    /(?<= )/,
  )
const WORD_MS = 50
const usage = { prompt_tokens: 10, completion_tokens: WORDS.length, total_tokens: 10 + WORDS.length }

createServer(async (request, response) => {
  let body = ''
  for await (const piece of request.setEncoding('utf8')) body += piece
  if (request.method !== 'POST' || request.url !== '/v1/chat/completions') return send(response, 404, notFound)
  const { model = 'trial', stream = false } = JSON.parse(body || '{}')
  const head = { id: `chatcmpl-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model }
  if (stream) return await streamed(response, { ...head, object: 'chat.completion.chunk' })
  const message = { role: 'assistant', content: WORDS.join('') }
  const choices = [{ index: 0, message, finish_reason: 'stop' }]
  send(response, 200, { ...head, object: 'chat.completion', choices, usage })
}).listen(Number(process.env.PORT))

// The first process of a container ignores signals that it has no handler for.
process.on('SIGTERM', () => process.exit(0))

const notFound = { error: { message: 'The vendor of the trial answers chats alone.', type: 'invalid_request_error' } }

async function streamed(response, head) {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const write = (fields) => response.write(`data: ${JSON.stringify({ ...head, ...fields })}\n\n`)
  for (const content of WORDS) {
    if (response.destroyed) return
    write({ choices: [{ index: 0, delta: { content }, finish_reason: null }] })
    await sleep(WORD_MS)
  }
  write({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
  write({ choices: [], usage })
  response.end('data: [DONE]\n\n')
}

function send(response, status, value) {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}
