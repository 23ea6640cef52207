import type { ChatChunk } from '../../src/index.ts'
import { createFerry, type Ferry } from '../../src/index.ts'
import { type Received, startServer } from './server.ts'
import { beginStream, chunk, textChunks, wire } from './wire.ts'

/** A client whose server answers its streams with these, one after the other. */
export async function scripted(...answers: (readonly ChatChunk[])[]): Promise<{ ferry: Ferry; received: Received[] }> {
  const left = answers.values()
  const server = await startServer((_, response) => {
    beginStream(response).end(wire(left.next().value ?? textChunks('nothing more')))
  })
  return { ferry: createFerry({ baseURL: server.url, apiKey: 'key' }), received: server.received }
}

/** An answer that calls tools: name and arguments. */
export function callChunks(...calls: [name: string, args: string][]): ChatChunk[] {
  return [
    chunk({ role: 'assistant', content: null, reasoning_content: 'Let me see.' }),
    ...calls.map(([name, args], index) =>
      chunk({ tool_calls: [{ index, id: `call_${index}`, type: 'function', function: { name, arguments: args } }] }),
    ),
    chunk({ reasoning_details: [{ type: 'reasoning.text', index: 0, text: 'Let me see.', signature: 'sig' }] }),
    chunk({}, 'tool_calls'),
    chunk({}, null, { choices: [], usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 } }),
  ]
}
