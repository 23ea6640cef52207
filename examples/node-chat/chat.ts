// A chat in the terminal: each answer streams, Ctrl-C ends the answer (and the vendor's call), an empty line ends the chat.
import { createInterface } from 'node:readline/promises'
import { type ChatInputMessage, createFerry, FerryError } from '@llm-ferry/sdk'

const { FERRY_URL = 'http://127.0.0.1:8080', FERRY_KEY = '', MODEL = 'anthropic/claude-haiku-4-5' } = process.env
const ferry = createFerry({ baseURL: FERRY_URL, apiKey: FERRY_KEY })
const messages: ChatInputMessage[] = []

const terminal = createInterface({ input: process.stdin, output: process.stdout })
ask()
for await (const line of terminal) {
  if (line.trim() === '') break
  messages.push({ role: 'user', content: line })
  await answer()
  ask()
}
terminal.close()

async function answer(): Promise<void> {
  const leave = new AbortController()
  const onInterrupt = (): void => leave.abort()
  terminal.once('SIGINT', onInterrupt)
  try {
    const stream = ferry.chat.stream({ model: MODEL, messages }, { signal: leave.signal })
    for await (const event of stream) {
      if (event.type === 'text-delta') process.stdout.write(event.text)
    }
    const { message } = await stream.final()
    messages.push(message)
  } catch (error) {
    if (leave.signal.aborted) process.stdout.write(' …')
    else if (FerryError.is(error)) process.stdout.write(`[${error.code}] ${error.message}`)
    else throw error
  } finally {
    terminal.off('SIGINT', onInterrupt)
  }
}

function ask(): void {
  process.stdout.write('\n> ')
}
