import { describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { createFerry, type RunEvent, tool } from '../src/index.ts'
import { collect } from './support/collect.ts'
import { callChunks, scripted } from './support/script.ts'
import { startServer, withinASecond } from './support/server.ts'
import { beginStream, chunk, data, request, textChunks, wire } from './support/wire.ts'

const weather = tool({
  name: 'weather',
  description: 'Weather of a city now.',
  parameters: z.object({ city: z.string() }),
  execute: ({ city }) => ({ city, sky: '晴' }),
})

describe('a run', () => {
  it('runs the tools, sends their results with the answer as it was, and gives the last answer', async () => {
    const { ferry, received } = await scripted(callChunks(['weather', '{"city":"北京"}']), textChunks('北京', '晴。'))
    const result = await ferry.chat.run({ ...request, tools: [weather] })
    expect(result).toMatchObject({ text: '北京晴。', finishReason: 'stop', toolCalls: [] })
    expect(result.usage).toMatchObject({ prompt_tokens: 13, completion_tokens: 7, total_tokens: 20 })
    expect(result.steps.map(({ outcomes }) => outcomes.map(({ output }) => output))).toEqual([
      [{ city: '北京', sky: '晴' }],
      [],
    ])

    expect(received[0]?.json.tools).toEqual([weather.definition])
    expect(received[1]!.json.messages).toEqual([
      ...request.messages,
      {
        role: 'assistant',
        content: null,
        refusal: null,
        reasoning_content: 'Let me see.',
        reasoning_details: [{ type: 'reasoning.text', index: 0, text: 'Let me see.', signature: 'sig' }],
        tool_calls: [{ id: 'call_0', type: 'function', function: { name: 'weather', arguments: '{"city":"北京"}' } }],
      },
      { role: 'tool', tool_call_id: 'call_0', content: '{"city":"北京","sky":"晴"}' },
    ])
    expect(result.messages.slice(0, 3)).toEqual(received[1]!.json.messages)
    expect(received[0]?.headers['idempotency-key']).not.toBe(received[1]?.headers['idempotency-key'])
  })

  it('as a stream tells its steps, and its text is speech', async () => {
    const script = [callChunks(['weather', '{"city":"北京"}']), textChunks('北京晴。', '出门吧。')] as const
    const events = await collect((await scripted(...script)).ferry.chat.run.stream({ ...request, tools: [weather] }))
    const told = events.map(({ type }) => type).filter((type) => /step|result|complete|finish/.test(type))
    expect(told).toEqual([
      'step-start',
      'reasoning-complete',
      'tool-call-complete',
      'finish',
      'tool-result',
      'step-start',
      'finish',
    ])
    const result = events.find(
      (event): event is Extract<RunEvent, { type: 'tool-result' }> => event.type === 'tool-result',
    )
    expect(result).toMatchObject({ step: 0, toolName: 'weather', input: { city: '北京' }, output: { sky: '晴' } })
    const { ferry } = await scripted(...script)
    expect(await collect(ferry.chat.run.stream({ ...request, tools: [weather] }).sentences())).toEqual([
      '北京晴。',
      '出门吧。',
    ])
  })

  it('stops at the step limit with the calls that are open', async () => {
    const call = callChunks(['weather', '{"city":"北京"}'])
    const { ferry, received } = await scripted(call, call, call, call)
    const result = await ferry.chat.run({ ...request, tools: [weather], maxSteps: 2 })
    expect(received).toHaveLength(2)
    expect(result.finishReason).toBe('tool_calls')
    expect(result.toolCalls).toHaveLength(1)
  })

  it('gives calls of tools without execute to the caller', async () => {
    const ask = tool({ name: 'ask', parameters: { type: 'object' } })
    const { ferry, received } = await scripted(callChunks(['ask', '{"q":1}'], ['weather', '{"city":"x"}']))
    const result = await ferry.chat.run({ ...request, tools: [ask, weather] })
    expect(received).toHaveLength(1)
    expect(result.toolCalls.map(({ id }) => id)).toEqual(['call_0', 'call_1'])
  })

  it('never runs calls of an answer that was cut off', async () => {
    const execute = vi.fn()
    const danger = tool({ name: 'pay', parameters: z.object({ amount: z.number() }), execute })
    const chunks = callChunks(['pay', '{"amount":1']).map((each) =>
      each.choices[0]?.finish_reason ? chunk({}, 'length') : each,
    )
    const { ferry } = await scripted(chunks)
    expect(await ferry.chat.run({ ...request, tools: [danger] })).toMatchObject({ finishReason: 'length' })
    expect(execute).not.toHaveBeenCalled()
  })
})

describe('what goes wrong with a tool is told to the model', () => {
  const fails = tool({
    name: 'fails',
    parameters: z.object({ a: z.number() }),
    execute: () => {
      throw new Error('disk full')
    },
  })

  it.each([
    ['a tool that throws', 'fails', '{"a":1}', /disk full/],
    ['arguments that do not fit', 'fails', '{"a":"x"}', /a: .*number/],
    ['arguments that are not JSON', 'fails', '{"a":', /not JSON/],
    ['a tool that does not exist', 'nope', '{}', /no tool named nope/],
  ])('%s', async (_, name, args, message) => {
    const { ferry, received } = await scripted(callChunks([name, args]), textChunks('Sorry.'))
    const { text, steps } = await ferry.chat.run({ ...request, tools: [fails] })
    expect(text).toBe('Sorry.')
    const told = (received[1]!.json.messages as { content: string; is_error?: boolean }[]).at(-1)
    expect(told).toMatchObject({ role: 'tool', is_error: true, content: expect.stringMatching(message) })
    expect(steps[0]?.outcomes[0]?.error).toBeInstanceOf(Error)
  })
})

describe('approval', () => {
  const execute = vi.fn(({ amount }: { amount: number }) => `paid ${amount}`)
  const pay = tool({
    name: 'pay',
    parameters: z.object({ amount: z.number() }),
    needsApproval: ({ amount }) => amount > 10,
    execute,
  })
  const contentOf = async (amount: number, approve?: () => boolean | string) => {
    execute.mockClear()
    const { ferry, received } = await scripted(callChunks(['pay', `{"amount":${amount}}`]), textChunks('ok'))
    await ferry.chat.run({ ...request, tools: [pay], approve })
    return (received[1]!.json.messages as { content: string }[]).at(-1)?.content
  }

  it('is asked for where the tool wants it, and its word holds', async () => {
    const approve = vi.fn(() => true)
    expect(await contentOf(5, approve)).toBe('paid 5')
    expect(approve).not.toHaveBeenCalled()
    expect(await contentOf(50, approve)).toBe('paid 50')
    expect(approve).toHaveBeenCalledWith(expect.objectContaining({ toolName: 'pay', input: { amount: 50 } }))
    expect(await contentOf(50, () => false)).toMatch(/did not approve/)
    expect(await contentOf(50, () => 'Too much for a pencil.')).toBe('Too much for a pencil.')
    expect(execute).not.toHaveBeenCalled()
  })

  it('is refused when there is nobody to ask', async () => {
    expect(await contentOf(50)).toMatch(/did not approve/)
    expect(execute).not.toHaveBeenCalled()
  })
})

describe('leaving a run', () => {
  it('cancels the call that runs', async () => {
    const server = await startServer((_, response) => void beginStream(response).write(data(chunk({ content: 'a' }))))
    const run = createFerry({ baseURL: server.url, apiKey: 'key' }).chat.run.stream({ ...request, tools: [weather] })
    for await (const event of run) if (event.type === 'text-delta') break
    await withinASecond(Promise.all([server.received[0]!.closed, server.waitFor('DELETE')]))
    await expect(run.final()).rejects.toMatchObject({ code: 'client_closed' })
  })

  it('aborts the tool that runs, without waiting for one that does not heed it', async () => {
    const server = await startServer((_, response) => void beginStream(response).end(wire(callChunks(['slow', '{}']))))
    let seen: AbortSignal | undefined
    const controller = new AbortController()
    const slow = tool({
      name: 'slow',
      parameters: { type: 'object' },
      execute: (_, { signal }) => {
        seen = signal
        controller.abort(new Error('stop'))
        return new Promise(() => {})
      },
    })
    const ferry = createFerry({ baseURL: server.url, apiKey: 'key' })
    const run = ferry.chat.run({ ...request, tools: [slow] }, { signal: controller.signal })
    await expect(withinASecond(run)).rejects.toThrow('stop')
    expect(seen?.aborted).toBe(true)
  })
})
