import type { ChatRequest } from '@llm-ferry/sdk'
import { parseChatRequest } from '@llm-ferry/sdk/schema'
import { describe, expect, it } from 'vitest'
import { DIALECTS } from '../../src/vendors/registry.ts'
import { json } from './support/fixtures.ts'

// What a widely used mapper sent for the same conversations (recorded from the wire).
const recorded = json('third-party-mapping.json')

/** The recorded conversation, with the reasoning and the failed result that its OpenAI form cannot say. */
function conversation(details: object[]): ChatRequest {
  const request = structuredClone(recorded['openai.chat']) as { messages: object[] }
  Object.assign(request.messages[2]!, { reasoning_details: details })
  Object.assign(request.messages[4]!, { content: 'nope', is_error: true })
  return parseChatRequest(request)
}

const send = (dialect: string, model: string, request: ChatRequest) =>
  JSON.parse(JSON.stringify(DIALECTS[dialect]!.request(request, { vendor: dialect, model }).body))

describe('what is sent equals what a third-party mapper sends, where they agree', () => {
  it('to OpenAI', () => {
    const { max_tokens, ...theirs } = recorded['openai.chat'] as Record<string, unknown>
    const ours = send('openai', 'gpt-4.1', parseChatRequest(recorded['openai.chat']))
    // The newer name of the limit: all models take it, and those that reason take no other.
    expect(ours).toEqual({ ...theirs, max_completion_tokens: max_tokens })
  })

  it('to OpenAI with a schema', () => {
    const ours = send('openai', 'gpt-5', parseChatRequest(recorded['openai.chat schema']))
    expect(ours).toEqual(recorded['openai.chat schema'])
  })

  it('to Anthropic', () => {
    const thinking = { type: 'reasoning.text', text: 'hmm', signature: 'SIG', format: 'anthropic.messages.v1' }
    expect(send('anthropic', 'claude-sonnet-4-5', conversation([thinking]))).toEqual(recorded.anthropic)
  })

  it('to Anthropic with a schema', () => {
    const request = parseChatRequest(recorded['openai.chat schema'])
    expect(send('anthropic', 'claude-opus-4-6', request)).toEqual(recorded['anthropic schema'])
  })

  it('to Gemini, but for the form of results', () => {
    const {
      parallel_tool_calls: _,
      user: __,
      ...request
    } = conversation([
      { type: 'reasoning.text', text: 'hmm', signature: 'GSIG', format: 'gemini.parts.v1' },
      { type: 'reasoning.encrypted', data: 'GS2', id: 't1', format: 'gemini.parts.v1' },
    ])
    const theirs = structuredClone(recorded.google) as { contents: unknown[] }
    // The vendor documents `output` and `error` as the keys it knows; an object without them is the result itself.
    const results = theirs.contents[2] as { parts: { functionResponse: { response: unknown } }[] }
    results.parts[0]!.functionResponse.response = { c: 20 }
    results.parts[1]!.functionResponse.response = { error: 'nope' }
    const effort = { ...request, reasoning_effort: 'none' } as ChatRequest
    const ours = send('gemini', 'gemini-2.5-pro', effort)
    ours.generationConfig.thinkingConfig.includeThoughts = true
    expect(ours).toEqual(theirs)
  })

  it('to Gemini with a schema, but for the level’s letters and for showing thoughts', () => {
    const { max_completion_tokens, ...request } = parseChatRequest(recorded['openai.chat schema'])
    const ours = send('gemini', 'gemini-3.8-flash', { ...request, max_completion_tokens } as ChatRequest)
    ours.generationConfig.thinkingConfig = { thinkingLevel: 'low' }
    expect(ours).toEqual(recorded['google schema'])
  })
})
