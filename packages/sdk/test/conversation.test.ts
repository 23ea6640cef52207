import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { tool } from '../src/index.ts'
import { callChunks, scripted } from './support/script.ts'
import { chunk, textChunks } from './support/wire.ts'

const model = 'anthropic/claude-sonnet-5'

describe('a conversation', () => {
  it('sends what was said before, with the reasoning that vendors want back', async () => {
    const details = [{ type: 'reasoning.text', index: 0, text: 'Hm', signature: 'sig' }]
    const first = [chunk({ content: '八点。' }), chunk({ reasoning_details: details }), chunk({}, 'stop')]
    const { ferry, received } = await scripted(first, textChunks('六点。'))
    const conversation = ferry.conversation({ model, system: '简短回答。', temperature: 0 })
    await conversation.send('船几点开？')
    await conversation.stream('明天呢？').text()
    expect(received[1]?.json).toMatchObject({ model, temperature: 0 })
    expect(received[1]?.json.messages).toEqual([
      { role: 'system', content: '简短回答。' },
      { role: 'user', content: '船几点开？' },
      { role: 'assistant', content: '八点。', refusal: null, reasoning_details: details },
      { role: 'user', content: '明天呢？' },
    ])
    expect(conversation.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'assistant'])
    const restored = ferry.conversation({ model, messages: JSON.parse(JSON.stringify(conversation.messages)) })
    expect(restored.messages).toEqual(conversation.messages)
  })

  it('keeps tool calls and their results', async () => {
    const add = tool({
      name: 'add',
      parameters: z.object({ a: z.number(), b: z.number() }),
      execute: ({ a, b }) => a + b,
    })
    const { ferry } = await scripted(callChunks(['add', '{"a":1,"b":2}']), textChunks('3。'))
    const conversation = ferry.conversation({ model, tools: [add] })
    expect((await conversation.send('1+2?')).text).toBe('3。')
    expect(conversation.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant'])
  })

  it('a turn that fails or is left leaves nothing behind', async () => {
    const { ferry } = await scripted([chunk({ content: 'half' })], textChunks('a', 'b', 'c'), textChunks('好。'))
    const conversation = ferry.conversation({ model })
    await expect(conversation.send('一')).rejects.toMatchObject({ code: 'upstream_truncated' })
    for await (const event of conversation.stream('二')) if (event.type === 'text-delta') break
    expect(conversation.messages).toEqual([])
    await conversation.send('三')
    expect(conversation.messages.map(({ content }) => content)).toEqual(['三', '好。'])
  })

  it('has one turn at a time', async () => {
    const { ferry } = await scripted(textChunks('a'))
    const conversation = ferry.conversation({ model })
    const turn = conversation.send('一')
    expect(() => conversation.stream('二')).toThrow(/still running/)
    await expect(conversation.send('二')).rejects.toThrow(/still running/)
    await turn
    expect(conversation.messages).toHaveLength(2)
  })
})
