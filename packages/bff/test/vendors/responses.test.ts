import { describe, expect, it } from 'vitest'
import { DIALECTS } from '../../src/vendors/registry.ts'

const read = (vendor: string, body: unknown, model = 'm') => DIALECTS[vendor]!.response(body, { vendor, model })
const openai = (choice: object, more: object = {}) => ({
  id: 'c1',
  object: 'chat.completion',
  created: 5,
  model: 'gpt-x',
  choices: [{ index: 0, logprobs: null, ...choice }],
  ...more,
})

describe('a whole answer that was cut is an error', () => {
  it.each([
    ['openai', openai({ message: { role: 'assistant', content: 'Once' }, finish_reason: null })],
    ['anthropic', { type: 'message', content: [{ type: 'text', text: 'Once' }], stop_reason: null }],
    ['gemini', { candidates: [{ content: { parts: [{ text: 'Once' }] } }] }],
  ])('of %s', (vendor, body) => {
    expect(() => read(vendor, body)).toThrow(expect.objectContaining({ code: 'upstream_truncated', vendor }))
  })
})

describe('an error inside a 200 is an error', () => {
  it.each([
    ['openai', { error: { message: 'm', code: 'rate_limit_exceeded' } }],
    ['anthropic', { type: 'error', error: { type: 'rate_limit_error', message: 'm' } }],
    ['gemini', { error: { code: 429, message: 'm', status: 'RESOURCE_EXHAUSTED' } }],
  ])('of %s', (vendor, body) => {
    expect(() => read(vendor, body)).toThrow(expect.objectContaining({ code: 'vendor_rate_limited', message: 'm' }))
  })
})

describe('an answer that is none is an error', () => {
  it.each(['openai', 'anthropic', 'gemini'])('of %s', (vendor) => {
    for (const body of [{}, '<html>', null, [], 'ok']) {
      expect(() => read(vendor, body)).toThrow(expect.objectContaining({ code: 'upstream_invalid' }))
    }
  })
})

describe('an OpenAI answer', () => {
  it('stays as it is, unknown fields too', () => {
    const message = { role: 'assistant', content: 'a', refusal: null, annotations: [], x: 1 }
    const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 }
    const body = openai({ message, finish_reason: 'stop' }, { usage, service_tier: 'default', y: 2 })
    expect(read('openai', body)).toEqual(body)
  })

  it('has reasoning under one name, and every finish in one vocabulary', () => {
    const { choices } = read(
      'openai',
      openai({ message: { content: 'a', reasoning: 'r' }, finish_reason: 'sensitive' }),
    )
    expect(choices[0]).toMatchObject({
      finish_reason: 'content_filter',
      native_finish_reason: 'sensitive',
      message: { content: 'a', refusal: null, reasoning_content: 'r' },
    })
  })
})

describe('a Gemini answer', () => {
  it('has log probabilities in OpenAI’s form', () => {
    const logprobsResult = {
      chosenCandidates: [{ token: 'é', logProbability: -0.5 }],
      topCandidates: [{ candidates: [{ token: 'e', logProbability: -1 }] }],
    }
    const candidate = { content: { parts: [{ text: 'é' }] }, finishReason: 'STOP', logprobsResult }
    expect(read('gemini', { candidates: [candidate] }).choices[0]?.logprobs).toEqual({
      content: [
        { token: 'é', logprob: -0.5, bytes: [195, 169], top_logprobs: [{ token: 'e', logprob: -1, bytes: [101] }] },
      ],
      refusal: null,
    })
  })

  it('has no usage when none is told', () => {
    expect(read('gemini', { candidates: [{ finishReason: 'STOP' }] })).not.toHaveProperty('usage')
  })
})
