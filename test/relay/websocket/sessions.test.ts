import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { GoogleGenAI, Modality } from '@google/genai'
import OpenAI from 'openai'
import { OpenAIRealtimeWebSocket } from 'openai/realtime/websocket'
import { OpenAIRealtimeWS } from 'openai/realtime/ws'
import { ResponsesWS } from 'openai/resources/responses/ws'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Certificates, createCertificates } from '../../testkit/certs.ts'
import { SANDBOX_TEXT, startSandbox } from '../../testkit/sandbox.ts'
import { RELAY_TOKEN, relayEnv, type Service, startRelay, VENDOR_KEYS } from '../../testkit/services.ts'
import { startTlsFront } from '../../testkit/tls-front.ts'

const WRONG = 'stranger-0123456789abcdef'

// openai's realtime clients insist on wss, whatever the base URL says: TLS stands in front, as in production.
describe('whole sessions over TLS', () => {
  let certificates: Certificates
  let sandbox: Awaited<ReturnType<typeof startSandbox>>
  let relay: Service
  let front: Awaited<ReturnType<typeof startTlsFront>>
  const defaults = getCACertificates('default')
  beforeAll(async () => {
    certificates = createCertificates()
    setDefaultCACertificates([...defaults, certificates.ca])
    sandbox = await startSandbox()
    relay = await startRelay(relayEnv(sandbox.url))
    front = await startTlsFront(certificates, relay.port)
  })
  afterAll(async () => {
    for (const secret of [RELAY_TOKEN, WRONG, ...Object.values(VENDOR_KEYS)]) expect(relay.log()).not.toContain(secret)
    front.stop()
    await relay.stop()
    await sandbox.stop()
    setDefaultCACertificates(defaults)
    certificates.remove()
  })

  const openai = (apiKey: string): OpenAI =>
    new OpenAI({ apiKey, baseURL: `https://localhost:${front.port}/proxy/openai/v1`, dangerouslyAllowBrowser: true })

  type Realtime = OpenAIRealtimeWS | OpenAIRealtimeWebSocket
  const MAKERS: Readonly<Record<string, (apiKey: string) => Realtime>> = {
    'OpenAIRealtimeWS, credential in a header': (key) => new OpenAIRealtimeWS({ model: 'gpt-realtime' }, openai(key)),
    'OpenAIRealtimeWebSocket, credential in a subprotocol': (key) =>
      new OpenAIRealtimeWebSocket({ model: 'gpt-realtime', dangerouslyAllowBrowser: true }, openai(key)),
  }

  for (const [name, make] of Object.entries(MAKERS)) {
    it(`${name}: a conversation`, async () => {
      const realtime = make(RELAY_TOKEN)
      const text = await new Promise<string>((resolve, reject) => {
        let said = ''
        realtime.on('error', reject)
        realtime.on('session.created', () => {
          realtime.send({
            type: 'conversation.item.create',
            item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Say hello' }] },
          })
          realtime.send({ type: 'response.create', response: { output_modalities: ['text'] } })
        })
        realtime.on('response.output_text.delta', ({ delta }) => {
          said += delta
        })
        realtime.on('response.done', () => resolve(said))
      })
      realtime.close({ code: 1000, reason: 'done' })
      expect(text).toBe(SANDBOX_TEXT)
    })

    it(`${name}: a wrong token`, async () => {
      const realtime = make(WRONG)
      const outcome = await new Promise<string>((resolve) => {
        realtime.on('error', () => resolve('refused'))
        realtime.on('session.created', () => resolve('accepted'))
      })
      expect(outcome).toBe('refused')
    })
  }

  it('ResponsesWS: a response', async () => {
    const responses = new ResponsesWS(openai(RELAY_TOKEN))
    const text = await new Promise<string>((resolve, reject) => {
      let said = ''
      responses.on('error', reject)
      responses.on('response.output_text.delta', ({ delta }) => {
        said += delta
      })
      responses.on('response.completed', () => resolve(said))
      responses.send({ type: 'response.create', model: 'gpt-4o', input: 'Say hello' } as Parameters<
        typeof responses.send
      >[0])
    })
    responses.close()
    expect(text).toBe(SANDBOX_TEXT)
  })

  // A base URL that ends in a slash gives //ws/..., and without one the path is right; both must arrive.
  it.each(['', '/'])('@google/genai Live: a turn, with a base URL that ends in "%s"', async (slash) => {
    const baseUrl = `https://localhost:${front.port}/proxy/gemini${slash}`
    const ai = new GoogleGenAI({ apiKey: RELAY_TOKEN, apiVersion: 'v1beta', httpOptions: { baseUrl } })
    let said = ''
    let finish: (outcome: string) => void = () => {}
    const finished = new Promise<string>((resolve) => {
      finish = resolve
    })
    const session = await ai.live.connect({
      model: 'gemini-2.0-flash-live-001',
      config: { responseModalities: [Modality.TEXT] },
      callbacks: {
        onmessage: ({ serverContent }) => {
          for (const { text } of serverContent?.modelTurn?.parts ?? []) said += text ?? ''
          if (serverContent?.turnComplete) finish(said)
        },
        onclose: ({ code, reason }) => finish(`closed with ${code} ${reason}`),
      },
    })
    session.sendClientContent({ turns: [{ role: 'user', parts: [{ text: 'Say hello' }] }], turnComplete: true })
    expect(await finished).toBe(SANDBOX_TEXT)
    session.close()
  })
})
