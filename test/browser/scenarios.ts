// What the client must do wherever it runs. Runs unchanged in Node, Chromium, Bun and Deno, so it names nothing of any.
import { ChatStream, createFerry, FerryError, SentenceSplitter, tool } from '@llm-ferry/sdk'

export interface Server {
  readonly baseURL: string
  readonly apiKey: string
}

const messages = [{ role: 'user' as const, content: '渡船几点开？' }]
const codeOf = (error: unknown): unknown => (FerryError.is(error) ? error.code : String(error))

/** Uses the client in every way; gives what came of it, as JSON. */
export async function scenarios(server: Server): Promise<Record<string, unknown>> {
  const ferry = createFerry({ ...server, user: '张三' })
  const ask = (model: string) => ferry.chat.stream({ model, messages })
  const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
    const all: T[] = []
    for await (const item of items) all.push(item)
    return all
  }

  const weather = tool({
    name: 'weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } } },
    execute: (input) => ({ input, sky: '晴' }),
  })
  const run = await ferry.chat.run({ model: 'openai/gpt-4o', messages, tools: [weather] })
  const schema = { type: 'object', properties: { city: { type: 'string' } } } as const
  const headers = { 'content-type': 'text/event-stream' }
  const relayed = new Response(ask('gemini/gemini-2.0-flash').toReadableStream(), { headers })
  const splitter = new SentenceSplitter()

  return {
    chat: (await ferry.chat({ model: 'anthropic/claude-sonnet-4', messages })).text,
    deltas: (await collect(ask('openai/gpt-4o').textDeltas())).join(''),
    isStreamed: (await collect(ask('gemini/gemini-2.0-flash').textDeltas())).length > 3,
    sentences: await collect(ask('anthropic/claude-sonnet-4').sentences()),
    relayed: await ChatStream.from(relayed).text(),
    tools: [run.text, run.steps[0]?.outcomes[0]?.output],
    object: (await ferry.chat.object({ schema, model: 'openai/gpt-4o', messages })).object,
    split: [...splitter.push('你好。Hi'), ...splitter.end()].map(({ text }) => text),
    models: (await ferry.models()).length > 3,
    usage: (await ferry.usage()).object,
    refused: await ferry.chat({ model: 'nobody/nothing', messages }).catch(codeOf),
    wrongKey: await createFerry({ ...server, apiKey: 'not-a-key-0123456789' })
      .models()
      .catch(codeOf),
    truncated: await ask('scripted/cut').text().catch(codeOf),
    left: await leave(ask('scripted/hang')),
    aborted: await abort((signal) => ferry.chat.stream({ model: 'scripted/hang', messages }, { signal })),
  }
}

async function leave(stream: ChatStream): Promise<unknown> {
  for await (const event of stream) if (event.type === 'text-delta') break
  return stream.final().catch(codeOf)
}

async function abort(ask: (signal: AbortSignal) => ChatStream): Promise<unknown> {
  const controller = new AbortController()
  const reason = new Error('user pressed stop')
  try {
    for await (const event of ask(controller.signal)) if (event.type === 'text-delta') controller.abort(reason)
    return 'never aborted'
  } catch (error) {
    return error === reason
  }
}
