import {
  type CachedContent,
  type GenerativeModel,
  GoogleGenerativeAI,
  type ModelParams,
  type RequestOptions,
} from '@google/generative-ai'
import { aim, type NativeTarget } from './aim.ts'
import type { Ferry } from './client.ts'

export type { NativeTarget } from './aim.ts'

const CLIENT = { vendor: 'gemini', keyHeader: 'x-goog-api-key', takesFetch: false }

/**
 * Google's older client `@google/generative-ai`, aimed at a BFF or a relay.
 *
 * It takes no `fetch`, and so neither yours nor a key that changes, and it cannot resume over a broken link: on a bare
 * relay a connection that breaks loses the answer. It swallows errors in the middle of a stream. Prefer
 * `@llm-ferry/sdk/gemini`.
 *
 * Throws a TypeError when the target has a `fetch` of its own or a function as `apiKey`.
 *
 * @example
 * const model = generativeAI({ baseURL: 'https://llm.example.cn', apiKey }).getGenerativeModel({ model: 'gemini-3-flash' })
 */
export function generativeAI(target: Ferry | NativeTarget): GoogleGenerativeAI {
  const { baseURL, apiKey, headers } = aim(CLIENT, target)
  return new AimedGenerativeAI(apiKey, { baseUrl: baseURL, customHeaders: headers })
}

/** The client takes its address at each model, not once. */
class AimedGenerativeAI extends GoogleGenerativeAI {
  readonly #aim: RequestOptions

  constructor(apiKey: string, aim: RequestOptions) {
    super(apiKey)
    this.#aim = aim
  }

  override getGenerativeModel(params: ModelParams, options?: RequestOptions): GenerativeModel {
    return super.getGenerativeModel(params, { ...this.#aim, ...options })
  }

  override getGenerativeModelFromCachedContent(
    content: CachedContent,
    params?: Partial<ModelParams>,
    options?: RequestOptions,
  ): GenerativeModel {
    return super.getGenerativeModelFromCachedContent(content, params, { ...this.#aim, ...options })
  }
}
