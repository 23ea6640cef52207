import { GoogleGenAI, type GoogleGenAIOptions } from '@google/genai'
import { aim, type NativeTarget } from './aim.ts'
import type { Ferry } from './client.ts'

export type { NativeTarget } from './aim.ts'

const CLIENT = { vendor: 'gemini', keyHeader: 'x-goog-api-key', takesFetch: true }

/**
 * Google's official client `@google/genai`, aimed at a BFF or a relay: the Gemini API in all its parts. For the older
 * `@google/generative-ai` see `@llm-ferry/sdk/generative-ai`.
 *
 * It goes on reading after a `break`: pass `config.abortSignal` and abort it, or the model writes, and bills, to the end.
 *
 * @param target Your `Ferry`, or an address with a key.
 * @param options Options of the client itself; they win.
 *
 * @example
 * const client = gemini({ baseURL: 'https://llm.example.cn', apiKey: process.env.FERRY_API_KEY })
 * const { text } = await client.models.generateContent({ model: 'gemini-3-flash', contents: '你好' })
 */
export function gemini(target: Ferry | NativeTarget, options: GoogleGenAIOptions = {}): GoogleGenAI {
  const { baseURL, apiKey, headers, fetch } = aim(CLIENT, target)
  const { httpOptions, ...rest } = options
  return new GoogleGenAI({
    apiKey,
    ...rest,
    // No timeout: the client's covers a stream to its end. It retries nothing by itself.
    httpOptions: {
      baseUrl: baseURL,
      ...(fetch && { fetch }),
      ...httpOptions,
      headers: { ...headers, ...httpOptions?.headers },
    },
  })
}
