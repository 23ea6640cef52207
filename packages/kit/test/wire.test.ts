import { describe, expect, it } from 'vitest'
import { DIALECTS, type WireError } from '../src/wire/index.ts'

const error = (status: number): WireError => ({ status, code: 'some_code', message: 'What to do.', requestId: 'req_1' })
const body = (name: keyof typeof DIALECTS, status: number): unknown =>
  JSON.parse(DIALECTS[name].errorBody(error(status)))

describe('error bodies', () => {
  it('have the shape of OpenAI', () => {
    expect(body('openai', 429)).toEqual({
      error: { message: 'What to do.', type: 'rate_limit_error', param: null, code: 'some_code' },
    })
  })

  it.each([
    [400, 'invalid_request_error'],
    [401, 'authentication_error'],
    [403, 'permission_error'],
    [404, 'not_found_error'],
    [413, 'invalid_request_error'],
    [429, 'rate_limit_error'],
    [500, 'api_error'],
    [502, 'api_error'],
    [503, 'overloaded_error'],
    [504, 'timeout_error'],
  ])('have the type of Anthropic at %i: %s', (status, type) => {
    expect(body('anthropic', status)).toEqual({
      type: 'error',
      error: { type, message: 'What to do.', details: { error_code: 'some_code' } },
      request_id: 'req_1',
    })
  })

  it.each([
    [400, 'INVALID_ARGUMENT'],
    [401, 'UNAUTHENTICATED'],
    [403, 'PERMISSION_DENIED'],
    [404, 'NOT_FOUND'],
    [429, 'RESOURCE_EXHAUSTED'],
    [500, 'INTERNAL'],
    [503, 'UNAVAILABLE'],
    [504, 'DEADLINE_EXCEEDED'],
  ])('have the gRPC name of Gemini at %i: %s', (status, name) => {
    expect(body('gemini', status)).toMatchObject({
      error: { code: status, status: name, message: 'What to do.', details: [{ reason: 'SOME_CODE' }] },
    })
  })
})

describe('error events', () => {
  it('are one data line for chats, numbered events for responses, typed ones for Anthropic', () => {
    const { openai, anthropic, gemini } = DIALECTS
    expect(openai.errorEvent(error(502), { operation: 'chat/completions' })).toMatch(/^data: \{"error":\{.*\}\}\n\n$/)
    expect(openai.errorEvent(error(502), { operation: 'responses', sequence: 7 })).toBe(
      'event: error\ndata: {"type":"error","code":"some_code","message":"What to do.","param":null,"sequence_number":7}\n\n',
    )
    expect(anthropic.errorEvent(error(502), { operation: 'messages' })).toMatch(
      /^event: error\ndata: \{"type":"error".*\}\n\n$/,
    )
    expect(gemini.errorEvent(error(502), { operation: 'models/m:streamGenerateContent' })).toMatch(
      /^data: \{"error":\{"code":502,.*"status":"UNAVAILABLE".*\}\}\n\n$/,
    )
  })
})

describe('operations', () => {
  it.each([
    ['openai', 'chat/completions', true],
    ['openai', 'audio/transcriptions', true],
    ['openai', 'responses', false],
    ['openai', 'files', false],
    ['openai', 'something/new', false],
    ['openai', 'openai/deployments/d/chat/completions', true],
    ['anthropic', 'messages', true],
    ['anthropic', 'messages/count_tokens', true],
    ['anthropic', 'messages/batches', false],
    ['gemini', 'models/m:generateContent', true],
    ['gemini', 'models/m:streamGenerateContent', true],
    ['gemini', 'models/m:batchGenerateContent', false],
    ['gemini', 'projects/p/locations/l/publishers/google/models/m:generateContent', true],
    ['gemini', 'projects/p/locations/l/cachedContents', false],
    ['gemini', 'cachedContents', false],
    ['gemini', 'upload/v1beta/files', false],
  ] as const)('%s %s keeps nothing at the vendor: %s', (dialect, operation, stateless) => {
    expect(DIALECTS[dialect].stateless.test(operation)).toBe(stateless)
  })
})
