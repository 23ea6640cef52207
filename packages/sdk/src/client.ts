import { Call } from './call.ts'
import { type Chat, createChat } from './chat.ts'
import { withOptions } from './client-options.ts'
import { type Conversation, type ConversationParams, createConversation } from './conversation.ts'
import { type EmbeddingsParams, type EmbeddingsResult, embed } from './embeddings.ts'
import { FerryError } from './errors.ts'
import { callNative } from './native.ts'
import { type CallOptions, clientSettings, type FerryOptions, type Settings } from './options.ts'
import type { Model } from './schema/models.ts'
import type { UsageBreakdown } from './schema/usage-report.ts'
import { createSessionTokens, type SessionTokens } from './session-tokens.ts'
import { reportUsage, type UsageParams, type UsageReportBy } from './usage-report.ts'

/** A client of one BFF. Stateless: make one, share it. */
export interface Ferry {
  /** Chats. */
  readonly chat: Chat
  /**
   * Begins a conversation that remembers its turns.
   *
   * @example
   * const conversation = ferry.conversation({ model: 'anthropic/claude-sonnet-5', system: '用中文简短回答。' })
   * const { text } = await conversation.send('渡船几点开？')
   */
  conversation(params: ConversationParams): Conversation
  /**
   * A vendor's own request through the server, its answer untouched: a `fetch` with the key in. Error statuses do not
   * throw; no connection does. Official clients: `@llm-ferry/sdk/openai`, `/anthropic`, `/gemini`.
   *
   * @example
   * const speech = await ferry.native('openai/v1/audio/speech', { method: 'POST', headers, body })
   */
  native(path: string, init?: RequestInit): Promise<Response>
  /** Models that your key may call. */
  models(options?: CallOptions): Promise<readonly Model[]>
  /**
   * Turns texts into vectors.
   *
   * @example
   * const { vectors } = await ferry.embeddings({ model: 'openai/text-embedding-3-small', input: ['渡口', 'ferry'] })
   */
  embeddings(params: EmbeddingsParams, options?: CallOptions): Promise<EmbeddingsResult>
  /** Tokens in place of your key, for devices and browsers. */
  readonly sessionTokens: SessionTokens
  /**
   * What your key used: calls, tokens and money, today unless you say otherwise.
   *
   * @example
   * const { data } = await ferry.usage({ from: '2026-11-01', to: '2026-11-30', by: 'model' })
   * for (const { day, model, cost_usd } of data) console.log(day, model, cost_usd)
   */
  usage<By extends UsageBreakdown = 'day'>(params?: UsageParams<By>, options?: CallOptions): Promise<UsageReportBy<By>>
}

/**
 * Makes a client.
 *
 * Throws a FerryError `invalid_request` when an option is malformed; `param` names it.
 *
 * @example
 * const ferry = createFerry({ baseURL: 'https://llm.example.cn', apiKey: process.env.FERRY_API_KEY })
 * const { text } = await ferry.chat({ model: 'openai/gpt-5-mini', messages: [{ role: 'user', content: 'Hi' }] })
 */
export function createFerry(options: FerryOptions): Ferry {
  const settings = clientSettings(options)
  const chat = createChat(settings)
  const ferry: Ferry = {
    chat,
    conversation: (params) => createConversation(chat.run.stream, params),
    native: (path, init) => callNative(settings, path, init),
    models: (call) => listModels(settings, call),
    embeddings: (params, call) => embed(settings, params, call),
    sessionTokens: createSessionTokens(settings),
    usage: (params, call) => reportUsage(settings, params, call),
  }
  return withOptions(ferry, options)
}

async function listModels(settings: Settings, options?: CallOptions): Promise<readonly Model[]> {
  const { value, meta } = await new Call(settings, { method: 'GET', path: '/v1/models' }, options).json()
  if (typeof value === 'object' && value !== null && 'data' in value && Array.isArray(value.data)) return value.data
  const { requestId } = meta
  throw new FerryError('upstream_invalid', 'The answer is no list of models; is `baseURL` right?', { requestId })
}
