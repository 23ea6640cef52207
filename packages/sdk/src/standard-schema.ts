/**
 * The part of Standard Schema (standardschema.dev) that is used here: zod, Valibot, ArkType and others implement it.
 * Written out, so that no package has to be installed for a type.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
    /** Standard JSON Schema: how the schema looks to a model. zod has it since 4.2. */
    readonly jsonSchema?: { readonly input: (options: { readonly target: 'draft-2020-12' }) => Record<string, unknown> }
  }
}

type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

/** What a schema has against a value. */
export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** A JSON Schema as an object. */
export type JsonSchemaObject = Readonly<Record<string, unknown>>

/** A schema: of zod or another Standard Schema, or plain JSON Schema, of which nothing is checked here. */
export type AnySchema = StandardSchema | JsonSchemaObject

/** What the schema's values are once checked. */
export type OutputOf<S> = S extends StandardSchema<infer _, infer Output> ? Output : unknown

function isStandardSchema(schema: AnySchema): schema is StandardSchema {
  return '~standard' in schema
}

/** The schema as a model reads it. */
export function toJsonSchema(schema: AnySchema, given?: JsonSchemaObject): JsonSchemaObject {
  if (given) return given
  if (!isStandardSchema(schema)) return schema
  const { jsonSchema, vendor } = schema['~standard']
  if (!jsonSchema)
    throw new TypeError(`This ${vendor} schema has no JSON Schema of its own; pass one as \`jsonSchema\`.`)
  const { $schema: _, ...rest } = jsonSchema.input({ target: 'draft-2020-12' })
  return rest
}

/** Checks a value. */
export async function validate(schema: AnySchema, value: unknown): Promise<SchemaResult<unknown>> {
  return isStandardSchema(schema) ? schema['~standard'].validate(value) : { value }
}

/** `city: expected string; days: too big` */
export function describeIssues(issues: readonly SchemaIssue[]): string {
  return issues.map(({ path = [], message }) => [formatPath(path), message].filter(Boolean).join(': ')).join('; ')
}

function formatPath(path: NonNullable<SchemaIssue['path']>): string {
  return path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
}
