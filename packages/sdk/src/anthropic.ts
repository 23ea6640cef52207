import Anthropic, { type ClientOptions } from '@anthropic-ai/sdk'
import { aim, type NativeTarget } from './aim.ts'
import type { Ferry } from './client.ts'

export type { NativeTarget } from './aim.ts'

const CLIENT = { vendor: 'anthropic', keyHeader: 'authorization', takesFetch: true }

/**
 * Anthropic's official client, aimed at a BFF or a relay: Anthropic's own API in all its parts.
 *
 * @param target Your `Ferry`, or an address with a key.
 * @param options Options of the client itself; they win.
 *
 * @example
 * const client = anthropic({ baseURL: 'https://llm.example.cn', apiKey: process.env.FERRY_API_KEY })
 * const message = await client.messages.create({ model: 'claude-sonnet-5', max_tokens: 1024, messages })
 */
export function anthropic(target: Ferry | NativeTarget, options: ClientOptions = {}): Anthropic {
  const { baseURL, apiKey, headers, timeoutMs, maxRetries, fetch } = aim(CLIENT, target)
  return new Anthropic({
    baseURL,
    apiKey,
    defaultHeaders: headers,
    timeout: timeoutMs,
    ...(maxRetries !== undefined && { maxRetries }),
    ...(fetch && { fetch }),
    ...options,
  })
}
