import type { Json } from '../shared/json.ts'
import { type Refuse, rewriteSchema, type Subset } from '../shared/json-schema.ts'
import { unsupported } from '../shared/refuse.ts'
import type { Target } from '../vendor.ts'

// What the vendor says it reads of JSON Schema, for functions and answers alike.
const SUBSET: Subset = {
  keep: new Set([
    'type',
    'format',
    'title',
    'description',
    'enum',
    'items',
    'prefixItems',
    'minItems',
    'maxItems',
    'minimum',
    'maximum',
    'anyOf',
    'properties',
    'additionalProperties',
    'required',
    'propertyOrdering',
    '$ref',
    '$defs',
  ]),
  refuse: new Set(['not', 'if', 'then', 'else', 'patternProperties', 'dependentSchemas', '$dynamicRef', 'allOf']),
  closed: false,
  enums: new Set(['string', 'number']),
}

export function mapSchema(schema: Json, param: string, target: Target): Json {
  const refuse: Refuse = (path, keyword) =>
    unsupported(`${param}${path}`, target, `has no \`${keyword}\` in schemas; express it otherwise.`)
  return rewriteSchema(schema, SUBSET, refuse)
}
