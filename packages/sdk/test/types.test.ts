import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import {
  type ChatEvent,
  type ChatInputMessage,
  type ChatParams,
  type ChatResult,
  type ChatStream,
  createFerry,
  type ErrorCode,
  FerryError,
  type FerryOptions,
  type ObjectResult,
  type PartialObject,
  type ToolCall,
  tool,
} from '../src/index.ts'

const ferry = createFerry({ baseURL: 'https://llm.example.cn', apiKey: 'key' })

describe('types', () => {
  it('requests know their fields, and a misspelt one', () => {
    expectTypeOf<ChatParams>().toHaveProperty('temperature')
    expectTypeOf<ChatParams>().not.toHaveProperty('temprature')
    expectTypeOf<{ model: string; messages: never[] }>().toExtend<ChatParams>()
    expectTypeOf<{ model: string }>().not.toExtend<ChatParams>()
    expectTypeOf<{ baseURL: string; apiKey: string; user: undefined }>().toExtend<FerryOptions>()
  })

  it('an answer’s message goes into the next request as it is', () => {
    expectTypeOf<ChatResult['message']>().toExtend<ChatInputMessage>()
  })

  it('events narrow by their type', () => {
    expectTypeOf<Extract<ChatEvent, { type: 'text-delta' }>['text']>().toEqualTypeOf<string>()
    expectTypeOf<Extract<ChatEvent, { type: 'tool-call-complete' }>['call']>().toEqualTypeOf<ToolCall>()
    expectTypeOf<ChatStream>().toExtend<AsyncIterable<ChatEvent>>()
  })

  it('errors narrow to a FerryError with a code of the table', () => {
    const error: unknown = new FerryError('overloaded', 'x')
    if (FerryError.is(error)) expectTypeOf(error.code).toEqualTypeOf<ErrorCode>()
  })

  it('tools have typed arguments', () => {
    tool({
      name: 'weather',
      parameters: z.object({ city: z.string(), days: z.number().default(1) }),
      needsApproval: (input) => {
        expectTypeOf(input).toEqualTypeOf<{ city: string; days: number }>()
        return false
      },
      execute: (input, context) => {
        expectTypeOf(input).toEqualTypeOf<{ city: string; days: number }>()
        expectTypeOf(context.signal).toEqualTypeOf<AbortSignal>()
      },
    })
    tool({ name: 'any', parameters: { type: 'object' }, execute: (input) => expectTypeOf(input).toBeUnknown() })
  })

  it('objects have the schema’s type', () => {
    const schema = z.object({ city: z.string(), days: z.array(z.object({ high: z.number() })) })
    const ask = () => ferry.chat.object({ schema, model: 'm', messages: [] })
    expectTypeOf<ReturnType<typeof ask>>().resolves.toEqualTypeOf<ObjectResult<z.infer<typeof schema>>>()
    expectTypeOf<PartialObject<z.infer<typeof schema>>>().toEqualTypeOf<{
      city?: string
      days?: { high?: number }[]
    }>()
  })

  it('a ChatResult is a ChatCompletion', () => {
    expectTypeOf<ChatResult>().toExtend<import('../src/index.ts').ChatCompletion>()
  })
})
