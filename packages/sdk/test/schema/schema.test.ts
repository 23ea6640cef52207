import { readdirSync, readFileSync } from 'node:fs'
import * as schema from '@llm-ferry/sdk/schema'
import type OpenAI from 'openai'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { z } from 'zod'

const all: Record<string, unknown> = { ...schema }
const schemas = Object.keys(all).filter((name) => all[name] instanceof z.ZodType)
const jsonSchema = (name: string, io: 'input' | 'output') => z.toJSONSchema(all[name] as z.ZodType, { io })

describe('every schema', () => {
  it.each(schemas)('%s can be said in JSON Schema, both ways', (name) => {
    expect(jsonSchema(name, 'input')).toBeTypeOf('object')
    expect(jsonSchema(name, 'output')).toBeTypeOf('object')
  })

  it.each(['ChatRequest', 'ChatCompletion', 'ChatChunk', 'Usage', 'EmbeddingsRequest', 'Model'] as const)(
    '%s says what each of its fields means',
    (name) => {
      const { properties = {} } = jsonSchema(name, 'input')
      const silent = Object.entries(properties).filter(
        ([field, each]) =>
          !(each as { description?: string }).description && !('const' in (each as object)) && field !== 'object',
      )
      expect(silent.map(([field]) => field)).toEqual([])
    },
  )
})

describe('the types', () => {
  it('take what OpenAI’s own client sends and gives', () => {
    expectTypeOf<OpenAI.ChatCompletionCreateParams['messages'][number]['role']>()
      .extract<schema.ChatMessage['role']>()
      .toEqualTypeOf<schema.ChatMessage['role']>()
    expectTypeOf<schema.ChatCompletion['choices'][number]['finish_reason']>().toEqualTypeOf<
      OpenAI.ChatCompletion.Choice['finish_reason']
    >()
    expectTypeOf<schema.ReasoningEffort>().toExtend<NonNullable<OpenAI.ChatCompletionReasoningEffort>>()
    expectTypeOf<keyof OpenAI.CompletionUsage>().toEqualTypeOf<keyof schema.Usage>()
  })
})

it('needs nothing of Node: the schema runs in browsers', () => {
  const folder = new URL('../../src/schema/', import.meta.url)
  for (const file of readdirSync(folder)) {
    expect(readFileSync(new URL(file, folder), 'utf8')).not.toMatch(/from 'node:|\bBuffer\b|\bprocess\./)
  }
})
