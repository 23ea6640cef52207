export type Json = Readonly<Record<string, unknown>>

/** Name of a schema in the document. */
export type SchemaName =
  | 'ChatRequest'
  | 'ChatCompletion'
  | 'ChatChunk'
  | 'EmbeddingsRequest'
  | 'EmbeddingsResponse'
  | 'ErrorBody'
  | 'ModelList'
  | 'UsageReport'
  | 'AdminUsageReport'
  | 'ApiKey'
  | 'KeyCreate'
  | 'KeyUpdate'
  | 'KeyRotation'
  | 'KeyList'
  | 'DeletedKey'
  | 'SessionTokenRequest'
  | 'SessionToken'

/** One route as the document describes it. */
export interface Operation {
  readonly method: 'get' | 'post' | 'patch' | 'delete'
  readonly path: string
  readonly id: string
  readonly summary: string
  readonly description?: string
  /** Absent: a BFF key. */
  readonly security?: 'none' | 'metrics' | 'admin'
  /** Absent: 200. */
  readonly status?: 201 | 204
  readonly parameters?: readonly Json[]
  readonly request?: SchemaName
  /** Media type → schema of the request, where it is not JSON of ours. */
  readonly requests?: Readonly<Record<string, SchemaName | Json>>
  /** Media type → schema of the answer. */
  readonly answers: Readonly<Record<string, SchemaName | Json>>
}

export const query = (name: string, schema: Json, description: string): Json => ({
  name,
  in: 'query',
  schema,
  description,
})
