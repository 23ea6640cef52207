import { type ChatChunk, FerryError } from '@llm-ferry/sdk'
import type { StreamMapper, VendorAdapter } from '../../../src/vendors/vendor.ts'

/** A dialect of four words: `say`, `end`, `fail`, `count`. All that a new vendor needs, and nothing outside it. */
export const toy: VendorAdapter = {
  models: [{ id: 'toy-1', object: 'model', created: 0 }],
  claims: (model) => model.startsWith('toy-'),
  request: ({ messages }) => ({ method: 'POST', path: 'talk', headers: {}, body: { messages }, dropped: [] }),
  response: (body, { vendor, model }) => {
    if (typeof body === 'string') throw new FerryError('upstream_truncated', 'cut', { vendor })
    const said = (body as { say?: unknown } | null)?.say
    if (typeof said !== 'string') throw new FerryError('upstream_invalid', 'no words', { vendor })
    const message = { role: 'assistant' as const, content: said, refusal: null }
    const choices = [{ index: 0, message, finish_reason: 'stop' as const, logprobs: null }]
    return { id: 'toy', object: 'chat.completion', created: 0, model, choices }
  },
  stream: (_request, { vendor, model }) => toyStream(vendor, model),
  error: ({ status, headers }, { vendor }) => {
    const [ms, after] = [headers['retry-after-ms'], String(headers['retry-after'])]
    const wait = /^\d+$/.test(after) ? Number(after) * 1000 : Date.parse(after) - Date.now()
    if (status === 401) return new FerryError('vendor_key_rejected', 'our key', { vendor })
    return new FerryError('vendor_rate_limited', 'slow', { vendor, retryAfterMs: ms === undefined ? wait : Number(ms) })
  },
}

function toyStream(vendor: string, model: string): StreamMapper {
  let ended = false
  const usage = { prompt_tokens: 57, completion_tokens: 1, total_tokens: 58 }
  const chunk = (choices: ChatChunk['choices'], more: Partial<ChatChunk> = {}): ChatChunk => ({
    id: 'toy',
    object: 'chat.completion.chunk',
    created: 0,
    model,
    choices,
    ...more,
  })
  return {
    verbatim: false,
    usage: () => (ended ? usage : undefined),
    event({ data }) {
      const [word, ...rest] = data.split(' ')
      if (word === 'fail') throw new FerryError('vendor_rate_limited', 'slow', { vendor, vendorCode: 'fail' })
      if (word === 'say')
        return [chunk([{ index: 0, delta: { role: 'assistant', content: rest.join(' ') }, finish_reason: null }])]
      if (word !== 'end') return []
      ended = true
      return [chunk([{ index: 0, delta: {}, finish_reason: 'stop' }])]
    },
    end() {
      if (!ended) throw new FerryError('upstream_truncated', 'cut', { vendor })
      return [chunk([], { usage })]
    },
  }
}
