// A chat in a page: it calls the BFF itself, from its own origin, and shows the answer as it comes.
import { type ChatInputMessage, createFerry, FerryError } from '@llm-ferry/sdk'

const element = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T
const log = element('log')
const question = element<HTMLInputElement>('question')
const stop = element<HTMLButtonElement>('stop')
const status = element('status')

/** Where the BFF is, and a token for who sits here, from this page's own server. */
const session = async (): Promise<{ baseURL: string; token: string; model: string }> => (await fetch('/session')).json()
const first = await session()
const { baseURL, model } = first
let { token } = first
// Half of a token's life: the one in use is always fresh.
setInterval(async () => {
  token = (await session()).token
}, 150_000)
const ferry = createFerry({
  baseURL,
  // Asked before every attempt.
  apiKey: () => token,
  hooks: {
    afterResponse: ({ headers }) => {
      const left = headers.get('x-ratelimit-remaining-requests')
      status.textContent = `${headers.get('x-ferry-vendor') ?? ''} · ${left ?? '?'} left · ${headers.get('x-request-id')}`
    },
  },
})
const messages: ChatInputMessage[] = []

element<HTMLFormElement>('ask').addEventListener('submit', (event) => {
  event.preventDefault()
  const content = question.value
  question.value = ''
  messages.push({ role: 'user', content })
  show('user', content)
  void answer()
})

element<HTMLButtonElement>('send').disabled = false

async function answer(): Promise<void> {
  const line = show('assistant', '')
  const stream = ferry.chat.stream({ model, messages })
  stop.disabled = false
  // Ends the vendor's work too.
  stop.onclick = () => stream.cancel()
  try {
    for await (const event of stream) if (event.type === 'text-delta') line.textContent += event.text
    messages.push((await stream.final()).message)
    line.dataset.complete = 'true'
  } catch (error) {
    const stopped = FerryError.is(error) && error.code === 'client_closed'
    show('error', stopped ? '（已停止）' : FerryError.is(error) ? `[${error.code}] ${error.message}` : String(error))
  } finally {
    stop.disabled = true
  }
}

function show(kind: string, text: string): HTMLElement {
  const line = document.createElement('p')
  line.className = kind
  line.textContent = text
  log.append(line)
  return line
}
