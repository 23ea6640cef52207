import OpenAI, { type ClientOptions } from 'openai'
import { aim, type NativeTarget } from './native.ts'

export type { NativeTarget } from './native.ts'

/**
 * OpenAI's official client, aimed at a BFF or a relay: OpenAI's own API in all its parts.
 *
 * @param options Options of the client itself; they win.
 *
 * @example
 * const client = openai({ baseURL: 'https://llm.example.cn', apiKey: process.env.FERRY_API_KEY })
 * const speech = await client.audio.speech.create({ model: 'gpt-4o-mini-tts', voice: 'alloy', input: '你好' })
 */
export function openai(target: NativeTarget, options: ClientOptions = {}): OpenAI {
  const { baseURL, apiKey, headers, timeoutMs, maxRetries, fetch } = aim('openai', target, 'authorization')
  return new OpenAI({
    baseURL: `${baseURL}/v1`,
    apiKey,
    defaultHeaders: headers,
    timeout: timeoutMs,
    ...(maxRetries !== undefined && { maxRetries }),
    ...(fetch && { fetch }),
    ...options,
  })
}
