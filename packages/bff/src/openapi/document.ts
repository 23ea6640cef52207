import {
  AdminUsageReport,
  ApiKey,
  ChatChunk,
  ChatCompletion,
  ChatRequest,
  DeletedKey,
  EmbeddingsRequest,
  EmbeddingsResponse,
  ErrorBody,
  KeyCreate,
  KeyList,
  KeyRotation,
  KeyUpdate,
  ModelList,
  SessionToken,
  SessionTokenRequest,
  UsageReport,
} from '@llm-ferry/sdk/schema'
import { z } from 'zod'
import type { Json, Operation, SchemaName } from './operation.ts'
import { OPERATIONS } from './operations.ts'

/** Schemas that operations refer to, by their names in the document. */
const SCHEMAS = {
  ChatRequest,
  ChatCompletion,
  ChatChunk,
  EmbeddingsRequest,
  EmbeddingsResponse,
  ErrorBody,
  ModelList,
  UsageReport,
  AdminUsageReport,
  ApiKey,
  KeyCreate,
  KeyUpdate,
  KeyRotation,
  KeyList,
  DeletedKey,
  SessionTokenRequest,
  SessionToken,
} satisfies Record<SchemaName, z.ZodType>

/** The API as an OpenAPI 3.1 document, made from the schemas that requests are checked with. */
export function openApiDocument(): Json {
  return {
    openapi: '3.1.1',
    info: {
      title: 'LLM Ferry BFF',
      version: '1',
      description:
        'OpenAI, Anthropic and Gemini behind one chat interface in OpenAI’s format. Errors have OpenAI’s shape; switch on ' +
        '`error.code`.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'This server.' }],
    security: [{ bearer: [] }],
    paths: paths(),
    components: { schemas: schemas(), securitySchemes: SECURITY },
  }
}

const SECURITY: Json = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description: 'A BFF key; `x-api-key` and `x-goog-api-key` are taken as well.',
  },
  metrics: { type: 'http', scheme: 'bearer', description: 'METRICS_TOKEN.' },
  admin: { type: 'http', scheme: 'bearer', description: 'A token of BFF_ADMIN_TOKEN.' },
}

function paths(): Json {
  const byPath: Record<string, Record<string, Json>> = {}
  for (const operation of OPERATIONS) {
    byPath[operation.path] = { ...byPath[operation.path], [operation.method]: describe(operation) }
  }
  return byPath
}

function describe(operation: Operation): Json {
  const { id, summary, description, security, parameters = [], answers } = operation
  return {
    operationId: id,
    summary,
    ...(description === undefined ? {} : { description }),
    ...(security === undefined ? {} : { security: security === 'none' ? [] : [{ [security]: [] }] }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...requestBody(operation),
    responses: {
      [operation.status ?? 200]: {
        description: 'Done.',
        ...(operation.status === 204 ? {} : { content: contentOf(answers) }),
      },
      ...(security === 'none'
        ? {}
        : { default: { description: 'An error.', content: { 'application/json': { schema: ref('ErrorBody') } } } }),
    },
  }
}

function requestBody({ request, requests: given }: Operation): Json {
  const requests = given ?? (request && { 'application/json': request })
  return requests === undefined ? {} : { requestBody: { required: true, content: contentOf(requests) } }
}

function contentOf(schemas: Readonly<Record<string, SchemaName | Json>>): Json {
  return Object.fromEntries(
    Object.entries(schemas).map(([type, schema]) => [
      type,
      { schema: typeof schema === 'string' ? ref(schema) : schema },
    ]),
  )
}

function ref(name: SchemaName): Json {
  return { $ref: `#/components/schemas/${name}` }
}

function schemas(): Json {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(SCHEMAS)) registry.add(schema, { id })
  const { schemas } = z.toJSONSchema(registry, { uri: (id) => `#/components/schemas/${id}`, io: 'input' })
  return Object.fromEntries(Object.entries(schemas).map(([id, { $schema: _, $id: __, ...schema }]) => [id, schema]))
}
