import { USAGE_BREAKDOWNS } from '@llm-ferry/sdk/schema'

import { ADMIN_OPERATIONS } from './admin-operations.ts'
import { type Json, type Operation, query } from './operation.ts'

const USER: Json = {
  name: 'x-ferry-user',
  in: 'header',
  schema: { type: 'string', maxLength: 256 },
  description:
    'End user, percent-encoded where the name is not plain ASCII or has a %; limits count for each. Default: `safety_identifier` or `user` of the body, else the key itself.',
}
const TIMEOUT: Json = {
  name: 'x-ferry-timeout-ms',
  in: 'header',
  schema: { type: 'integer', minimum: 1 },
  description: 'How long you wait for a whole answer, or for a stream’s first event, in ms.',
}
const KEY_SCHEMA: Json = { type: 'string', minLength: 1, maxLength: 255, pattern: '^[!-~]+$' }
const IDEMPOTENCY: Json = {
  name: 'idempotency-key',
  in: 'header',
  schema: KEY_SCHEMA,
  description:
    'Names the call: the same key with the same request attaches to it, or gets its answer again (10 min), instead of a ' +
    'second one; with another request it gets 422. A lost connection then leaves the call running for 10 s. The answer’s ' +
    '`x-ferry-idempotency` is `new`, `attached`, `taken-over` or `stored`.',
}
const CACHE: Json = {
  name: 'cache-control',
  in: 'header',
  schema: { type: 'string', examples: ['max-age=3600', 'no-store'] },
  description:
    '`max-age=SECONDS`: an answer that the same request got in that time will do. `no-cache`: a new one. `no-store`: keep ' +
    'none either. Default: as the key or the model is configured. The answer’s `x-ferry-cache` is `hit` or `miss` where ' +
    'the cache was asked, and `age` says how old a hit is.',
}
const VENDOR: Json = {
  name: 'vendor',
  in: 'path',
  required: true,
  schema: { type: 'string' },
  description: 'A configured vendor.',
}

const CHAT_ANSWERS = {
  'application/json': 'ChatCompletion',
  'text/event-stream': {
    type: 'string',
    description:
      'With `stream: true`: events whose `data` is a ChatChunk, then `[DONE]`. A stream without `[DONE]` was cut.',
  },
} as const

const PATH: Json = {
  name: 'path',
  in: 'path',
  required: true,
  schema: { type: 'string' },
  description: 'Path at the vendor, with or without its version: `v1/messages`, `v1beta/models/M:generateContent`.',
}

const OBJECT = { type: 'object' }
const EVENTS = { 'text/event-stream': { type: 'string', description: 'Where the request asks for a stream.' } }
const FORM = { 'multipart/form-data': { type: 'object' } }
const BYTES = { '*/*': { type: 'string', format: 'binary' } }

const NATIVE =
  'The vendor’s own interface, byte for byte, for its own SDKs (docs/native.md). Calls that leave nothing in the ' +
  'vendor’s account; others are 403 `operation_not_allowed` unless the key has `native: full`. Errors have the ' +
  'vendor’s shape, and `x-ferry-error` the code.'

const HEALTH = {
  type: 'object',
  properties: {
    status: { type: 'string' },
    timestamp: { type: 'string' },
    version: { type: 'string' },
    commit: { type: 'string' },
  },
  required: ['status'],
}

/** Every route of the BFF. A test compares them with the router. */
export const OPERATIONS: readonly Operation[] = [
  {
    method: 'post',
    path: '/v1/chat/completions',
    id: 'createChatCompletion',
    summary: 'Chat with a model of any vendor',
    parameters: [USER, TIMEOUT, IDEMPOTENCY, CACHE],
    request: 'ChatRequest',
    answers: CHAT_ANSWERS,
  },
  {
    method: 'post',
    path: '/proxy/{vendor}/chat/completions',
    id: 'createVendorChatCompletion',
    summary: 'The same, with the vendor in the path',
    description:
      'Also under `/proxy/{vendor}/v1/chat/completions`. A vendor that has this path itself answers as it is (docs/native.md).',
    parameters: [VENDOR, USER, TIMEOUT, IDEMPOTENCY, CACHE],
    request: 'ChatRequest',
    answers: CHAT_ANSWERS,
  },
  {
    method: 'post',
    path: '/v1/embeddings',
    id: 'createEmbeddings',
    summary: 'Vectors of text',
    parameters: [USER, TIMEOUT, IDEMPOTENCY],
    request: 'EmbeddingsRequest',
    answers: { 'application/json': 'EmbeddingsResponse' },
  },
  {
    method: 'post',
    path: '/v1/responses',
    id: 'createResponse',
    summary: 'OpenAI’s Responses, as they are',
    description:
      'For models of vendors that have them. `store` must be false, without `previous_response_id`, `conversation` and ' +
      '`background`, unless the key has `native: full`.',
    parameters: [USER, TIMEOUT, IDEMPOTENCY],
    requests: { 'application/json': OBJECT },
    answers: { 'application/json': OBJECT, ...EVENTS },
  },
  {
    method: 'post',
    path: '/v1/audio/transcriptions',
    id: 'createTranscription',
    summary: 'Text of speech',
    description: 'As at OpenAI; the form streams, at most MAX_UPLOAD_BYTES. Put `model` before `file`.',
    parameters: [USER, TIMEOUT, IDEMPOTENCY],
    requests: FORM,
    answers: { 'application/json': OBJECT, 'text/plain': { type: 'string' }, ...EVENTS },
  },
  {
    method: 'post',
    path: '/v1/audio/speech',
    id: 'createSpeech',
    summary: 'Speech of text',
    description: 'As at OpenAI.',
    parameters: [USER, TIMEOUT, IDEMPOTENCY],
    requests: { 'application/json': OBJECT },
    answers: { ...BYTES, ...EVENTS },
  },
  {
    method: 'post',
    path: '/v1/images/generations',
    id: 'createImage',
    summary: 'Images of text',
    description: 'As at OpenAI.',
    parameters: [USER, TIMEOUT, IDEMPOTENCY],
    requests: { 'application/json': OBJECT },
    answers: { 'application/json': OBJECT, ...EVENTS },
  },
  {
    method: 'get',
    path: '/proxy/{vendor}/{path}',
    id: 'callVendorGet',
    summary: 'Lists of the vendor, such as its models',
    description: NATIVE,
    parameters: [VENDOR, PATH, USER, TIMEOUT],
    answers: { 'application/json': OBJECT },
  },
  {
    method: 'post',
    path: '/proxy/{vendor}/{path}',
    id: 'callVendor',
    summary: 'Calls of the vendor’s own SDKs',
    description: NATIVE,
    parameters: [VENDOR, PATH, USER, TIMEOUT, IDEMPOTENCY],
    requests: { 'application/json': OBJECT, ...FORM },
    answers: { 'application/json': OBJECT, ...EVENTS },
  },
  {
    method: 'get',
    path: '/v1/models',
    id: 'listModels',
    summary: 'Models and aliases',
    description: 'Other models of the same vendors are passed on as well.',
    answers: { 'application/json': 'ModelList' },
  },
  {
    method: 'post',
    path: '/v1/session-tokens',
    id: 'createSessionToken',
    summary: 'Mint a token for one end user',
    description: 'For devices and browsers, in place of the key: signed, short-lived, never wider than the key.',
    request: 'SessionTokenRequest',
    status: 201,
    answers: { 'application/json': 'SessionToken' },
  },
  {
    method: 'delete',
    path: '/v1/calls/{key}',
    id: 'leaveCall',
    status: 204,
    summary: 'Leave a call',
    description:
      'Ends the vendor’s work on a call with this Idempotency-Key. 404: there is none, and it can no longer begin.',
    parameters: [
      { name: 'key', in: 'path', required: true, schema: KEY_SCHEMA, description: 'Its Idempotency-Key.' },
      USER,
    ],
    answers: {},
  },
  {
    method: 'get',
    path: '/v1/usage',
    id: 'getUsage',
    summary: 'What your key used',
    description: 'Calls, tokens and cost by day, and on request by hour, model or end user.',
    parameters: [
      query('from', { type: 'string', format: 'date' }, 'First day. Default: `to`, or today.'),
      query('to', { type: 'string', format: 'date' }, 'Last day. Default: today.'),
      query('by', { type: 'string', enum: [...USAGE_BREAKDOWNS] }, 'How finely. Default `day`.'),
      query(
        'limit',
        { type: 'integer', minimum: 1, maximum: 10_000 },
        'Most lines a day, those with the most calls; the others are summed up in one. Default 1000.',
      ),
      query('format', { type: 'string', enum: ['json', 'csv'] }, 'Default `json`.'),
    ],
    answers: { 'application/json': 'UsageReport', 'text/csv': { type: 'string' } },
  },
  ...ADMIN_OPERATIONS,
  {
    method: 'get',
    path: '/health',
    id: 'getHealth',
    summary: 'Whether the process is alive',
    description: 'Who shows a key is told `version`, and `commit` where it is known.',
    security: 'none',
    answers: { 'application/json': HEALTH },
  },
  {
    method: 'get',
    path: '/ready',
    id: 'getReady',
    summary: 'Whether it takes new calls',
    description: '503 while it is about to stop.',
    security: 'none',
    answers: { 'application/json': HEALTH },
  },
  {
    method: 'get',
    path: '/metrics',
    id: 'getMetrics',
    summary: 'Prometheus metrics',
    description: 'Only without METRICS_PORT and with METRICS_TOKEN.',
    security: 'metrics',
    answers: { 'text/plain': { type: 'string' } },
  },
  {
    method: 'get',
    path: '/openapi.json',
    id: 'getOpenApi',
    summary: 'This document',
    security: 'none',
    answers: { 'application/json': { type: 'object' } },
  },
  {
    method: 'get',
    path: '/docs',
    id: 'getDocs',
    summary: 'This document as a page',
    security: 'none',
    answers: { 'text/html': { type: 'string' } },
  },
]
