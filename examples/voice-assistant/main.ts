// Speaks an answer while it is being written: the first sentence sounds long before the last one exists.
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createFerry, FerryError } from '@llm-ferry/sdk'
import { chooseVoice } from './speech.ts'

const { FERRY_URL = 'http://127.0.0.1:8080', FERRY_KEY = '', MODEL = 'anthropic/claude-haiku-4-5' } = process.env
const { SPEECH_DIR = fileURLToPath(new URL('../../.ferry/speech', import.meta.url)) } = process.env
const question = process.argv.slice(2).join(' ') || '今天适合去海边吗？'

mkdirSync(SPEECH_DIR, { recursive: true })
const voice = chooseVoice(SPEECH_DIR)
const ferry = createFerry({ baseURL: FERRY_URL, apiKey: FERRY_KEY, user: 'device-001' })
// Ctrl-C is the user who interrupts: the voice stops, and so does the vendor's work.
const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())

const startedAt = performance.now()
const since = (): string => `${Math.round(performance.now() - startedAt)} ms`

try {
  const stream = ferry.chat.stream(
    {
      model: MODEL,
      messages: [
        { role: 'system', content: '你是语音助手，回答简短、口语化。' },
        { role: 'user', content: question },
      ],
    },
    { signal: interrupted.signal },
  )
  let index = 0
  for await (const sentence of stream.sentences()) {
    console.log(`${since()}  ${sentence}`)
    const file = await voice(sentence, index++, interrupted.signal)
    if (file !== undefined) console.log(`${since()}  ♪ ${file}`)
  }
  console.log(`${since()}  (${(await stream.final()).finishReason})`)
} catch (error) {
  if (interrupted.signal.aborted) console.log('（已打断）')
  else if (FerryError.is(error)) console.log(`[${error.code}] ${error.message}`)
  else throw error
  process.exitCode = 1
}
