import { LLMock } from '@copilotkit/aimock'
import { RELAY_TOKEN, relayEnv, startBff, startRelay } from '../../testkit/services.ts'
import { startGemini } from './gemini-vendor.ts'

export const BFF_KEY = 'bff-key-of-app-0123456789'

export const TEXT = 'Grüße 你好 \u{1F6A2}, from the sandbox'
export const WEATHER = 'It is 20 degrees in Köln.'
export const PLACE = { city: 'Köln', degrees: 20 }
export const VECTOR = [0.5, -0.25, 0.125]

/** What every client asks. */
export const ASK = { text: 'Say hello', tool: 'How is the weather?', object: 'The weather as JSON, please' }

/** JSON Schema of the weather tool's parameters and of the structured answer. */
export const CITY = {
  type: 'object' as const,
  properties: { city: { type: 'string' as const } },
  required: ['city'],
  additionalProperties: false,
}
export const PLACE_SCHEMA = {
  type: 'object' as const,
  properties: { city: { type: 'string' as const }, degrees: { type: 'number' as const } },
  required: ['city', 'degrees'],
  additionalProperties: false,
}

/** One client, aimed at the BFF, and what it makes of the same questions. */
export interface Client {
  readonly chat: () => Promise<string | null | undefined>
  readonly stream: () => Promise<string>
  /** Calls the tool, answers it, and gives the text of the second turn. */
  readonly tools: () => Promise<string | null | undefined>
  readonly object: () => Promise<unknown>
  readonly embed?: () => Promise<readonly number[] | undefined>
}

/** The vendors, the relay and the BFF in front of them. */
export async function startClientChain(): Promise<{ readonly origin: string; log(): string; stop(): Promise<void> }> {
  const mock = new LLMock({ port: 0, host: '127.0.0.1', logLevel: 'silent', chunkSize: 5 })
  mock.on({ hasToolResult: true }, { content: WEATHER })
  mock.on({ toolName: 'weather' }, { toolCalls: [{ name: 'weather', arguments: '{"city":"Köln"}' }] })
  mock.on({ toolName: 'json' }, { toolCalls: [{ name: 'json', arguments: JSON.stringify(PLACE) }] })
  mock.onMessage(/JSON/, { content: JSON.stringify(PLACE) })
  mock.onMessage(/./, { content: TEXT })
  mock.onEmbedding(/./, { embedding: VECTOR })
  await mock.start()
  const gemini = await startGemini()
  const relay = await startRelay(relayEnv({ openai: mock.url, anthropic: mock.url, gemini: gemini.url }))
  const bff = await startBff({
    BFF_KEYS: `app:${BFF_KEY}`,
    RELAY_URLS: relay.origin,
    RELAY_TOKEN,
    RATE_LIMIT_RPM: '1000',
  })
  return {
    origin: bff.origin,
    log: () => bff.log(),
    stop: async () => void (await Promise.all([bff.stop(), relay.stop(), mock.stop(), gemini.stop()])),
  }
}
