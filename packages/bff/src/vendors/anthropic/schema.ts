import type { Json } from '../shared/json.ts'
import { type Refuse, rewriteSchema, type Subset } from '../shared/json-schema.ts'
import { unsupported } from '../shared/refuse.ts'
import type { Target } from '../vendor.ts'

// What the vendor compiles into a grammar, for structured output and strict tools.
const STRICT: Subset = {
  keep: new Set([
    'type',
    'title',
    'description',
    'enum',
    'items',
    'properties',
    'required',
    'additionalProperties',
    'anyOf',
    'allOf',
    '$ref',
    '$defs',
    'default',
    'format',
  ]),
  refuse: new Set(['not', 'if', 'then', 'else', 'patternProperties', 'dependentSchemas', '$dynamicRef', 'prefixItems']),
  closed: true,
  formats: new Set(['date-time', 'time', 'date', 'duration', 'email', 'hostname', 'uri', 'ipv4', 'ipv6', 'uuid']),
  enums: new Set(['string', 'number', 'boolean', 'null']),
}

export function strictSchema(schema: Json, param: string, target: Target): Json {
  const refuse: Refuse = (path, keyword) =>
    unsupported(`${param}${path}`, target, `has no \`${keyword}\` in schemas; express it otherwise.`)
  return rewriteSchema(schema, STRICT, refuse)
}

/** A tool's schema that is not enforced: any JSON Schema, but an object at the top, without alternatives there. */
export function inputSchema(schema: Json | undefined, param: string, target: Target): Json {
  if (!schema) return { type: 'object', properties: {} }
  for (const keyword of ['anyOf', 'oneOf', 'allOf']) {
    if (schema[keyword] !== undefined) {
      throw unsupported(param, target, `has no \`${keyword}\` at the top of a tool’s schema; put it in a property.`)
    }
  }
  const { $schema: _, ...rest } = schema
  return { ...rest, type: 'object' }
}
