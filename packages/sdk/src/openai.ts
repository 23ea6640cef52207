import OpenAI, { type ClientOptions } from 'openai'
import { aim, type NativeTarget } from './aim.ts'
import type { Ferry } from './client.ts'

export type { NativeTarget } from './aim.ts'

const CLIENT = { vendor: 'openai', keyHeader: 'authorization', takesFetch: true }

/**
 * OpenAI's official client, aimed at a BFF or a relay: OpenAI's own API in all its parts.
 *
 * @param target Your `Ferry`, or an address with a key.
 * @param options Options of the client itself; they win.
 *
 * @example
 * const client = openai({ baseURL: 'https://llm.example.cn', apiKey: process.env.FERRY_API_KEY })
 * const speech = await client.audio.speech.create({ model: 'gpt-4o-mini-tts', voice: 'alloy', input: '你好' })
 */
export function openai(target: Ferry | NativeTarget, options: ClientOptions = {}): OpenAI {
  const { baseURL, apiKey, headers, timeoutMs, maxRetries, fetch } = aim(CLIENT, target)
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
