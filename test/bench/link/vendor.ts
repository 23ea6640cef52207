// The vendor of the link's tables: streams tokens at an even pace, and counts how often each call came.
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { FIRST_TOKEN_MS, TOKEN_MS, tokenOf } from './script.ts'

const calls = new Map<string, number>()
const event = (delta: object, finish: string | null = null): string =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-CnY2k3Qm7s1XbVt0aZp9hLrEwGdUo',
    object: 'chat.completion.chunk',
    created: 1_790_000_000,
    model: 'gpt-4o-2024-08-06',
    service_tier: 'default',
    system_fingerprint: 'fp_6d7e1a1f2c',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    obfuscation: 'x7Kd2mQ',
  })}\n\n`

const server = createServer(async (request, response) => {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  if (request.url === '/calls') {
    response.end(JSON.stringify([...calls]))
    calls.clear()
    return
  }
  const [, id = '', tokens = '1'] = /call-(\w+-\d+)-(\d+)/.exec(Buffer.concat(pieces).toString()) ?? []
  calls.set(id, (calls.get(id) ?? 0) + 1)
  await sleep(FIRST_TOKEN_MS)
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' })
  const startedAt = performance.now()
  for (let i = 0; i < Number(tokens) && !response.destroyed; i++) {
    response.write(event({ content: tokenOf(i) }))
    await sleep(Math.max(0, startedAt + (i + 1) * TOKEN_MS - performance.now()))
  }
  response.end(`${event({}, 'stop')}data: [DONE]\n\n`)
})
server.listen(Number(process.env.PORT), '0.0.0.0')
