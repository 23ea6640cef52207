import type { ServerResponse } from 'node:http'
import type { ChatChunk, ChatCompletion, ChatDelta, FinishReason } from '../../src/index.ts'

export const messages = [{ role: 'user' as const, content: '你好' }]
export const request = { model: 'openai/gpt-5-mini', messages }

export function completion(text: string, more: Partial<ChatCompletion> = {}): ChatCompletion {
  const message = { role: 'assistant' as const, content: text, refusal: null }
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'gpt-5-mini',
    choices: [{ index: 0, message, finish_reason: 'stop', logprobs: null }],
    ...more,
  }
}

export function chunk(delta: ChatDelta, finish: FinishReason | null = null, more: Partial<ChatChunk> = {}): ChatChunk {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'gpt-5-mini',
    choices: [{ index: 0, delta, finish_reason: finish }],
    ...more,
  }
}

export const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }

/** Chunks of a whole answer with this text in pieces. */
export function textChunks(...pieces: string[]): ChatChunk[] {
  return [
    chunk({ role: 'assistant', content: '' }),
    ...pieces.map((content) => chunk({ content })),
    chunk({}, 'stop'),
    chunk({}, null, { choices: [], usage }),
  ]
}

export const data = (value: unknown): string => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`

/** The bytes of a complete stream. */
export const wire = (chunks: readonly ChatChunk[]): string => [...chunks, '[DONE]'].map(data).join('')

export function beginStream(response: ServerResponse, headers: Record<string, string> = {}): ServerResponse {
  return response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', ...headers })
}

export function answerJson(
  response: ServerResponse,
  status: number,
  value: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
}

export const errorBody = (code: string, message = 'no', more: object = {}) => ({
  error: { message, type: 'api_error', param: null, code, ...more },
})

/** A `fetch` that answers with a stream in exactly these pieces. */
export function streamingFetch(pieces: readonly Uint8Array[], headers: Record<string, string> = {}) {
  return async (): Promise<Response> => {
    const left = pieces.values()
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        const { done, value } = left.next()
        if (done) controller.close()
        else controller.enqueue(Uint8Array.from(value))
      },
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream', ...headers } })
  }
}
