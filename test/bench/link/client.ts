// Makes calls over one of the ways, and writes what became of each as JSON. Its job is its first argument.
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLink } from '@llm-ferry/sdk/link'
import OpenAI from 'openai'
import { type Call, type Job, textOf } from './script.ts'

const job = JSON.parse(process.argv[2] ?? '{}') as Job
const isLink = job.way === 'link'
const link = isLink ? createLink({ relays: [new URL(job.baseUrl).origin] }) : undefined
const client = new OpenAI({
  baseURL: job.baseUrl,
  apiKey: process.env.KEY ?? '',
  ...(link === undefined ? {} : { fetch: link.fetch }),
})

/** Text that compresses like a chat: words from a few thousand, at random. */
function prompt(bytes: number): string {
  const words = Array.from({ length: 3000 }, () => randomBytes(3).toString('base64url'))
  let text = ''
  while (text.length < bytes) text += `${words[Math.floor(Math.random() * words.length)]} `
  return text
}

async function call(name: string, tokens: number, promptBytes: number): Promise<Call> {
  const content = `call-${name}-${tokens} ${prompt(promptBytes)}`
  const startedAt = performance.now()
  let firstTokenMs: number | undefined
  let lastAt = 0
  const gapsMs: number[] = []
  let text = ''
  let error: string | undefined
  let isFinished = false
  try {
    const model = job.way === 'bff' ? 'openai/gpt-4o' : 'gpt-4o'
    const stream = await client.chat.completions.create({ model, stream: true, messages: [{ role: 'user', content }] })
    for await (const { choices } of stream) {
      const token = choices[0]?.delta.content
      if (choices[0]?.finish_reason) isFinished = true
      if (!token) continue
      const now = performance.now()
      if (firstTokenMs === undefined) firstTokenMs = now - startedAt
      else gapsMs.push(now - lastAt)
      lastAt = now
      text += token
    }
  } catch (fault) {
    error = String((fault as Error).message).slice(0, 120)
  }
  return { name, isWhole: isFinished && text === textOf(tokens), firstTokenMs, gapsMs, error }
}

// The link is warm: it has carried something of this size before.
await call(`${job.name}warm-0`, 1, job.promptBytes)
await sleep(1000)
process.stdout.write('warm\n')
const calls: Promise<Call>[] = []
for (let i = 0; i < job.calls; i++) {
  const asked = call(`${job.name}-${i}`, job.tokens, job.promptBytes)
  calls.push(asked)
  if (job.apartMs > 0) await sleep(job.apartMs)
  else {
    await asked
    await sleep(job.pauseMs)
  }
}
process.stdout.write(`${JSON.stringify(await Promise.all(calls))}\n`)
await link?.close()
process.exit(0)
