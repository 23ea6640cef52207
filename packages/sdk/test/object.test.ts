import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { StandardSchema } from '../src/index.ts'
import { collect } from './support/collect.ts'
import { scripted } from './support/script.ts'
import { chunk, request, textChunks } from './support/wire.ts'

const schema = z.object({ dish: z.string(), steps: z.array(z.string()).min(1) })
const good = ['{"dish":"宫保', '鸡丁","steps":["切', '丁","炒"]}']

describe('chat.object', () => {
  it('asks for the schema’s form and gives the checked object', async () => {
    const { ferry, received } = await scripted(textChunks(...good))
    const { object, usage, text } = await ferry.chat.object({ ...request, schema })
    expect(object).toEqual({ dish: '宫保鸡丁', steps: ['切丁', '炒'] })
    expect(text).toBe(good.join(''))
    expect(usage?.total_tokens).toBe(5)
    const sent = received[0]?.json
    expect(sent).not.toHaveProperty('schema')
    expect(sent?.response_format).toEqual({
      type: 'json_schema',
      json_schema: {
        name: 'answer',
        strict: true,
        schema: {
          type: 'object',
          properties: { dish: { type: 'string' }, steps: { type: 'array', minItems: 1, items: { type: 'string' } } },
          required: ['dish', 'steps'],
        },
      },
    })
  })

  it('shows the object as it grows', async () => {
    const { ferry } = await scripted(textChunks(...good))
    const stream = ferry.chat.object.stream({ ...request, schema })
    const partials = await collect(stream.partials())
    expect(partials.at(-1)).toEqual({ dish: '宫保鸡丁', steps: ['切丁', '炒'] })
    expect((await stream.final()).object.dish).toBe('宫保鸡丁')
  })

  it.each([
    ['does not fit', textChunks('{"dish":"x","steps":[]}'), /steps/],
    ['is not JSON', textChunks('Sure! {"dish"'), /not JSON/],
    ['was cut off', [chunk({ content: '{"dish":' }), chunk({}, 'length')], /max_completion_tokens/],
    ['was declined', [chunk({ refusal: 'I cannot do that' }), chunk({}, 'stop')], /I cannot do that/],
  ])('an answer that %s is an error that says so', async (_, chunks, message) => {
    const { ferry } = await scripted(chunks)
    const error = { code: 'upstream_invalid', message: expect.stringMatching(message) }
    await expect(ferry.chat.object({ ...request, schema })).rejects.toMatchObject(error)
  })

  it('takes plain JSON Schema, and other Standard Schemas with one', async () => {
    const jsonSchema = { type: 'object', properties: { n: { type: 'number' } } }
    const other: StandardSchema<unknown, { n: number }> = {
      '~standard': { version: 1, vendor: 'other', validate: (value) => ({ value: value as { n: number } }) },
    }
    const { ferry, received } = await scripted(textChunks('{"n":1}'), textChunks('{"n":2}'))
    expect((await ferry.chat.object({ ...request, schema: jsonSchema })).object).toEqual({ n: 1 })
    expect((await ferry.chat.object({ ...request, schema: other, jsonSchema, name: 'count' })).object.n).toBe(2)
    expect(received[1]?.json.response_format).toMatchObject({ json_schema: { name: 'count', schema: jsonSchema } })
    await expect(ferry.chat.object({ ...request, schema: other })).rejects.toThrow(/other schema has no JSON Schema/)
  })
})
