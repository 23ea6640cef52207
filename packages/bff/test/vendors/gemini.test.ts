import {
  type Candidate,
  type Content,
  type FunctionCallingConfig,
  FunctionCallingConfigMode,
  type GenerationConfig,
  GoogleGenAI,
  type Tool,
} from '@google/genai'
import type { ChatRequest } from '@llm-ferry/sdk'
import { describe, expect, it } from 'vitest'
import { gemini } from '../../src/vendors/gemini/index.ts'
import { accumulate } from './support/accumulate.ts'
import { vendorContract } from './support/contract.ts'
import { stream, streams } from './support/fixtures.ts'
import { mapAll, mapEvents, REQUEST } from './support/run.ts'
import { serveStream } from './support/server.ts'

const target = { vendor: 'gemini', model: 'gemini-3.8-flash' }
const on = (model: string) => ({ vendor: 'gemini', model })
const event = (value: object) => ({ data: JSON.stringify(value) })

vendorContract('gemini', gemini, {
  target,
  streams: streams('gemini'),
  isTerminal: ({ data }) => /"(?:finishReason|blockReason)"/.test(data),
  errorEvent: event({ error: { code: 429, message: 'slow down', status: 'RESOURCE_EXHAUSTED' } }),
  keyError: {
    status: 400,
    body: {
      error: {
        code: 400,
        message: 'API key not valid: AIzaSecret',
        status: 'INVALID_ARGUMENT',
        details: [{ reason: 'API_KEY_INVALID' }],
      },
    },
    key: 'AIzaSecret',
  },
})

describe('Google’s own client reads the same', () => {
  it.each([...streams('gemini')])('of stream %s', async (_, bytes) => {
    await using server = await serveStream(bytes)
    const client = new GoogleGenAI({ apiKey: 'k', httpOptions: { baseUrl: server.url } })
    const config = { automaticContinuation: false }
    const parts: NonNullable<Content['parts']> = []
    let whole: Record<string, unknown> = {}
    let candidate: Candidate = {}
    for await (const chunk of await client.models.generateContentStream({ model: 'm', contents: 'x', config })) {
      const { sdkHttpResponse: _http, candidates, ...rest } = chunk
      parts.push(...(candidates?.[0]?.content?.parts ?? []))
      candidate = { ...candidate, ...candidates?.[0] }
      whole = { ...whole, ...rest }
      if (candidates) whole.candidates = [{ ...candidate, content: { role: 'model', parts } }]
    }
    const ours = mapAll(gemini, [bytes], target)
    const theirs = { ...gemini.response(whole, target), created: 0 }
    expect(accumulate(ours)).toEqual(JSON.parse(JSON.stringify(theirs)))
  })
})

describe('the Gemini stream', () => {
  it('makes ids for calls that have none, each its own', () => {
    const bytes = stream('gemini.tools_no_id.sse')
    const calls = accumulate(mapAll(gemini, [bytes], target)).choices[0]?.message.tool_calls
    expect(calls).toEqual([
      { id: 'call_rid1_0_0', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Paris"}' } },
    ])
    const nameless = { candidates: [{ content: { parts: [{ functionCall: { name: 'f' } }] } }] }
    const ids = [0, 1].map(
      () => gemini.stream(REQUEST, target).event(event(nameless))[0]?.choices[0]?.delta.tool_calls?.[0]?.id,
    )
    expect(new Set(ids).size).toBe(2)
  })

  it('says tool_calls where the vendor says STOP', () => {
    const { choices } = accumulate(mapAll(gemini, [stream('gemini.thinking_tools.sse')], target))
    expect(choices[0]).toMatchObject({ finish_reason: 'tool_calls', native_finish_reason: 'STOP' })
  })

  it('takes a blocked prompt for a refusal, with its usage', () => {
    const { choices, usage } = accumulate(mapAll(gemini, [stream('gemini.prompt_block.sse')], target))
    expect(choices[0]).toMatchObject({
      finish_reason: 'content_filter',
      native_finish_reason: 'PROHIBITED_CONTENT',
      message: { content: null, refusal: expect.stringContaining('PROHIBITED_CONTENT') },
    })
    expect(usage).toMatchObject({ prompt_tokens: 57, completion_tokens: 0, total_tokens: 57 })
  })

  it('counts thoughts in the completion', () => {
    expect(mapAll(gemini, [stream('gemini.text.sse')], target).at(-1)?.usage).toEqual({
      prompt_tokens: 57,
      completion_tokens: 40,
      total_tokens: 97,
      prompt_tokens_details: { cached_tokens: 32, text_tokens: 57 },
      completion_tokens_details: { reasoning_tokens: 16 },
    })
  })

  it.each(['MALFORMED_FUNCTION_CALL', 'UNEXPECTED_TOOL_CALL', 'OTHER', 'SOMETHING_NEW'])(
    'is an error after %s',
    (finishReason) => {
      const mapper = gemini.stream(REQUEST, target)
      const last = event({ candidates: [{ finishReason, finishMessage: 'why' }] })
      expect(() => mapper.event(last)).toThrow(
        expect.objectContaining({ code: 'vendor_error', vendorCode: finishReason }),
      )
    },
  )

  it.each([
    ['MAX_TOKENS', 'length'],
    ['CONTINUATION', 'length'],
    ['SAFETY', 'content_filter'],
    ['RECITATION', 'content_filter'],
    ['SPII', 'content_filter'],
    ['IMAGE_SAFETY', 'content_filter'],
  ])('says of %s: %s', (finishReason, unified) => {
    const chunks = gemini.stream(REQUEST, target).event(event({ candidates: [{ finishReason }] }))
    expect(chunks.at(-1)?.choices[0]).toMatchObject({ finish_reason: unified, native_finish_reason: finishReason })
  })

  it('keeps candidates apart, and waits for all of them', () => {
    const mapper = gemini.stream({ ...REQUEST, n: 2 }, target)
    const said = (index: number, text: string, finishReason?: string) => ({
      index,
      content: { parts: [{ text }] },
      finishReason,
    })
    const chunks = mapEvents(mapper, [
      event({ candidates: [said(0, 'a'), said(1, 'x')] }),
      event({ candidates: [said(1, 'y', 'STOP')] }),
    ])
    expect(() => mapper.end()).toThrow(expect.objectContaining({ code: 'upstream_truncated' }))
    chunks.push(...mapper.event(event({ candidates: [said(0, 'b', 'STOP')] })))
    mapper.end()
    expect(accumulate(chunks).choices.map(({ message }) => message.content)).toEqual(['ab', 'xy'])
  })

  it('turns grounding into annotations, bytes into characters', () => {
    const candidate = {
      content: { parts: [{ text: '天空 is blue' }] },
      finishReason: 'STOP',
      groundingMetadata: {
        groundingChunks: [{ web: { uri: 'https://a.example', title: 'A' } }],
        groundingSupports: [{ segment: { startIndex: 7, endIndex: 14 }, groundingChunkIndices: [0] }],
      },
    }
    const { message } = accumulate(gemini.stream(REQUEST, target).event(event({ candidates: [candidate] }))).choices[0]!
    const place = { url: 'https://a.example', title: 'A', start_index: 3, end_index: 10 }
    expect(message.annotations).toEqual([{ type: 'url_citation', url_citation: place }])
  })

  it('turns citations into annotations, in streams and whole answers alike', () => {
    const cited = { startIndex: 0, endIndex: 6, uri: 'https://b.example', title: 'B' }
    const candidate = {
      content: { parts: [{ text: '天空 is blue' }] },
      finishReason: 'STOP',
      citationMetadata: { citations: [cited] },
    }
    const place = { url: 'https://b.example', title: 'B', start_index: 0, end_index: 2 }
    const told = [{ type: 'url_citation', url_citation: place }]
    const streamed = accumulate(gemini.stream(REQUEST, target).event(event({ candidates: [candidate] })))
    expect(streamed.choices[0]?.message.annotations).toEqual(told)
    expect(gemini.response({ candidates: [candidate] }, target).choices[0]?.message.annotations).toEqual(told)
  })

  it('gives an answer without id one of its own, the same in all its chunks', () => {
    const candidate = (finish: object) => ({ candidates: [{ content: { parts: [{ text: 'a' }] }, ...finish }] })
    const mapper = gemini.stream(REQUEST, target)
    const chunks = [{}, { finishReason: 'STOP' }].flatMap((finish) => mapper.event(event(candidate(finish))))
    const ids = new Set(chunks.map(({ id }) => id))
    expect(ids.size).toBe(1)
    const whole = gemini.response(candidate({ finishReason: 'STOP' }), target).id
    expect(whole).toMatch(/./)
    expect([...ids][0]).toMatch(/./)
    expect(ids).not.toContain(whole)
  })

  it('passes on images the model draws', () => {
    const candidate = {
      content: { parts: [{ inlineData: { mimeType: 'image/png', data: 'AAAA' } }] },
      finishReason: 'STOP',
    }
    const [first] = gemini.stream(REQUEST, target).event(event({ candidates: [candidate] }))
    expect(first?.choices[0]?.delta.images).toEqual([
      { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
    ])
  })
})

describe('the Gemini request', () => {
  interface Body {
    contents: Content[]
    systemInstruction?: Content
    tools?: Tool[]
    toolConfig?: { functionCallingConfig: FunctionCallingConfig }
    generationConfig?: GenerationConfig
    serviceTier?: string
  }
  const send = (request: Partial<ChatRequest>, to = target) => {
    const wire = gemini.request({ ...REQUEST, stream: false, ...request }, to)
    return { ...wire, body: wire.body as Body }
  }
  const refused = (param: string, code = 'unsupported_parameter') =>
    expect.objectContaining({ code, status: 400, param })
  const tool = (name: string, parameters: Record<string, unknown> = { type: 'object', properties: {} }) => ({
    type: 'function' as const,
    function: { name, parameters },
  })

  it('has model and method in the path', () => {
    expect(send({}).path).toBe('v1beta/models/gemini-3.8-flash:generateContent')
    expect(send({ stream: true }).path).toBe('v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse')
    expect(send({}, on('../../x?key=1')).path).toBe('v1beta/models/..%2F..%2Fx%3Fkey%3D1:generateContent')
  })

  it('gathers instructions, merges turns, and keeps results apart from what the user says', () => {
    const { body } = send({
      messages: [
        { role: 'system', content: 'a' },
        { role: 'user', content: 'b' },
        { role: 'user', content: 'c' },
        {
          role: 'assistant',
          content: 'd',
          tool_calls: [{ id: 'x', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'x', content: '{"c":20}' },
        { role: 'developer', content: 'e' },
        { role: 'user', content: 'thanks' },
      ],
    })
    expect(body.systemInstruction).toEqual({ parts: [{ text: 'a' }, { text: 'e' }] })
    expect(body.contents).toEqual([
      { role: 'user', parts: [{ text: 'b' }, { text: 'c' }] },
      {
        role: 'model',
        parts: [
          { text: 'd' },
          { functionCall: { id: 'x', name: 'f', args: {} }, thoughtSignature: 'skip_thought_signature_validator' },
        ],
      },
      { role: 'user', parts: [{ functionResponse: { id: 'x', name: 'f', response: { c: 20 } } }] },
      { role: 'user', parts: [{ text: 'thanks' }] },
    ] satisfies Content[])
  })

  it('wraps results that are no objects, and errors', () => {
    const result = (content: string, is_error = false) => {
      const { body } = send({
        messages: [
          { role: 'user', content: 'a' },
          { role: 'assistant', tool_calls: [{ id: 'x', type: 'function', function: { name: 'f', arguments: '' } }] },
          { role: 'tool', tool_call_id: 'x', content, is_error },
        ],
      })
      return body.contents[2]?.parts?.[0]?.functionResponse?.response
    }
    expect(result('hello')).toEqual({ output: 'hello' })
    expect(result('[1]')).toEqual({ output: '[1]' })
    expect(result('{"id":12345678901234567890}')).toEqual({ output: '{"id":12345678901234567890}' })
    expect(result('{"a":1}', true)).toEqual({ error: { a: 1 } })
  })

  it('sends bytes of any kind', () => {
    const { body } = send({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
            { type: 'input_audio', input_audio: { data: 'BBBB', format: 'mp3' } },
            { type: 'file', file: { file_data: 'data:application/pdf;base64,CCCC' } },
            { type: 'file', file: { file_id: 'files/abc' } },
          ],
        },
      ],
    })
    expect(body.contents[0]?.parts).toEqual([
      { inlineData: { mimeType: 'image/png', data: 'AAAA' } },
      { inlineData: { mimeType: 'audio/mpeg', data: 'BBBB' } },
      { inlineData: { mimeType: 'application/pdf', data: 'CCCC' } },
      { fileData: { fileUri: 'https://generativelanguage.googleapis.com/v1beta/files/abc' } },
    ])
  })

  it.each([
    ['none', { mode: FunctionCallingConfigMode.NONE }],
    ['auto', { mode: FunctionCallingConfigMode.AUTO }],
    ['required', { mode: FunctionCallingConfigMode.ANY }],
    [
      { type: 'function', function: { name: 'f' } },
      { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ['f'] },
    ],
    [
      {
        type: 'allowed_tools',
        allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'g' } }] },
      },
      { mode: FunctionCallingConfigMode.VALIDATED, allowedFunctionNames: ['g'] },
    ],
  ] as [ChatRequest['tool_choice'], FunctionCallingConfig][])('translates tool_choice %j', (tool_choice, expected) => {
    const { body } = send({ tools: [tool('f'), tool('g')], tool_choice })
    expect(body.toolConfig?.functionCallingConfig).toEqual(expected)
    expect(body.tools).toHaveLength(1)
    expect(body.tools?.[0]?.functionDeclarations).toHaveLength(2)
  })

  it.each([
    ['gemini-3.8-flash', 'low', { thinkingLevel: 'LOW', includeThoughts: true }],
    ['gemini-3.8-flash', 'none', { thinkingLevel: 'MINIMAL' }],
    ['gemini-3-pro-preview', 'medium', { thinkingLevel: 'LOW', includeThoughts: true }],
    ['gemini-3-pro-preview', 'none', { thinkingLevel: 'LOW' }],
    ['gemini-2.5-flash', 'none', { thinkingBudget: 0 }],
    ['gemini-2.5-pro', 'none', { thinkingBudget: 128 }],
    ['gemini-2.5-flash', 'max', { thinkingBudget: 24_576, includeThoughts: true }],
  ] as const)('tells %s to reason %s', (model, reasoning_effort, expected) => {
    const { body, dropped } = send({ reasoning_effort }, on(model))
    expect(body.generationConfig?.thinkingConfig).toEqual(expected)
    expect(dropped).toEqual([])
  })

  it('has the rest in generationConfig', () => {
    const { body, dropped } = send({
      temperature: 0.3,
      top_p: 0.9,
      seed: 7,
      frequency_penalty: 1,
      presence_penalty: -1,
      max_tokens: 5,
      stop: 'END',
      n: 2,
      logprobs: true,
      top_logprobs: 3,
      service_tier: 'default',
      response_format: { type: 'json_object' },
      user: 'u',
      logit_bias: { a: 1 },
    })
    expect(body.generationConfig).toEqual({
      temperature: 0.3,
      topP: 0.9,
      seed: 7,
      frequencyPenalty: 1,
      presencePenalty: -1,
      maxOutputTokens: 5,
      stopSequences: ['END'],
      candidateCount: 2,
      responseLogprobs: true,
      logprobs: 3,
      responseMimeType: 'application/json',
    } satisfies GenerationConfig)
    expect(body.serviceTier).toBe('standard')
    expect(dropped).toEqual(['logit_bias', 'user'])
  })

  it.each([
    ['parallel_tool_calls', { tools: [tool('f')], parallel_tool_calls: false }],
    ['modalities', { modalities: ['audio'] }],
    ['audio', { audio: {} }],
    ['tools[0].type', { tools: [{ type: 'custom', custom: { name: 'x' } }] }],
    [
      'tools[0].function.parameters.properties.a',
      { tools: [tool('f', { type: 'object', properties: { a: { not: {} } } })] },
    ],
    [
      'messages[0].content[0].image_url.url',
      {
        messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] }],
      },
    ],
    [
      'messages[0].content[0].file.file_data',
      { messages: [{ role: 'user', content: [{ type: 'file', file: { file_data: 'https://example.com/a.pdf' } }] }] },
    ],
  ] as [string, Partial<ChatRequest>][])('refuses %s by name', (param, request) => {
    expect(() => send(request)).toThrow(refused(param))
  })

  it('refuses JSON with tools for models that cannot do both', () => {
    const request = { tools: [tool('f')], response_format: { type: 'json_object' } } as const
    expect(() => send({ ...request, tools: [tool('f')] }, on('gemini-2.5-flash'))).toThrow(refused('response_format'))
    expect(send({ ...request, tools: [tool('f')] }).body.generationConfig).toMatchObject({
      responseMimeType: 'application/json',
    })
  })
})

describe('Gemini embeddings', () => {
  it('go in one batch and come back as asked', () => {
    const request = { model: 'm', input: ['a', 'b'], dimensions: 2, encoding_format: 'base64' as const, user: 'u' }
    const to = on('gemini-embedding-001')
    const wire = gemini.embeddings?.request(request, to)
    expect(wire).toMatchObject({ path: 'v1beta/models/gemini-embedding-001:batchEmbedContents', dropped: ['user'] })
    const part = (text: string) => ({
      model: 'models/gemini-embedding-001',
      content: { parts: [{ text }] },
      outputDimensionality: 2,
    })
    expect(wire?.body).toEqual({ requests: [part('a'), part('b')] })
    const body = { embeddings: [{ values: [0.5, -1] }, { values: [0, 2] }] }
    const answer = gemini.embeddings?.response(body, request, to)
    expect(answer?.usage).toBeUndefined()
    const decoded = answer?.data.map(({ embedding }) => {
      const bytes = Buffer.from(embedding as string, 'base64')
      return [bytes.readFloatLE(0), bytes.readFloatLE(4)]
    })
    expect(decoded).toEqual([
      [0.5, -1],
      [0, 2],
    ])
    expect(gemini.embeddings?.response(body, { model: 'm', input: 'a' }, to).data[0]?.embedding).toEqual([0.5, -1])
    expect(() => gemini.embeddings?.request({ model: 'm', input: [1, 2] }, to)).toThrow(
      expect.objectContaining({ param: 'input' }),
    )
  })
})

describe('errors of Gemini', () => {
  it.each([
    [
      400,
      'INVALID_ARGUMENT',
      'The input token count (2) exceeds the maximum number of tokens allowed (1).',
      'context_length_exceeded',
    ],
    [400, 'INVALID_ARGUMENT', 'bad', 'invalid_request'],
    [403, 'PERMISSION_DENIED', 'm', 'vendor_key_rejected'],
    [404, 'NOT_FOUND', 'm', 'model_not_found'],
    [429, 'RESOURCE_EXHAUSTED', 'm', 'vendor_rate_limited'],
    [500, 'INTERNAL', 'm', 'vendor_error'],
    [503, 'UNAVAILABLE', 'm', 'vendor_overloaded'],
    [504, 'DEADLINE_EXCEEDED', 'm', 'vendor_error'],
  ])('%i %s %s is %s', (code, status, message, expected) => {
    expect(gemini.error({ status: code, headers: {}, body: { error: { code, message, status } } }, target).code).toBe(
      expected,
    )
  })

  it('reads the pause from the details', () => {
    const details = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '13.5s' }]
    const body = { error: { code: 429, message: 'm', status: 'RESOURCE_EXHAUSTED', details } }
    expect(gemini.error({ status: 429, headers: {}, body }, target).retryAfterMs).toBe(13_500)
  })
})
