// The ways that a stream can take to a relay: plain proxying, and the border link with and without packing.
import { createLink, type Link } from '@llm-ferry/sdk/link'
import { Agent, request } from 'undici'
import type { Ask } from '../targets/target.ts'

/** One way; {@link Way.stream} reads a whole answer and returns its length. */
export interface Way {
  readonly name: string
  stream(ask: Ask): Promise<number>
  close(): Promise<void>
}

/** The ways to the relay on this port; the first is what the others are compared with. */
export function waysTo(port: number): readonly Way[] {
  const origin = `http://127.0.0.1:${port}`
  const link = (answers: boolean): Link =>
    createLink({ relays: [origin], compression: { requests: answers, differences: answers, answers } })
  return [
    plainWay(origin),
    linkWay('link, nothing compressed', link(false)),
    linkWay('link, everything compressed', link(true)),
  ]
}

function plainWay(origin: string): Way {
  const dispatcher = new Agent()
  return {
    name: 'plain proxying',
    async stream({ path, headers, body }) {
      const all = { 'content-type': 'application/json', ...headers }
      const answer = await request(`${origin}${path}`, { dispatcher, method: 'POST', headers: all, body })
      return lengthOf(answer.body)
    },
    close: () => dispatcher.close(),
  }
}

const linkWay = (name: string, link: Link): Way => ({
  name,
  async stream({ path, headers, body }) {
    const flat = Object.entries({ 'content-type': 'application/json', ...headers }).flat()
    const answer = await link.request({ path, method: 'POST', headers: flat, body: Buffer.from(body) })
    return lengthOf(answer.body)
  },
  close: () => link.close(),
})

async function lengthOf(body: AsyncIterable<Uint8Array>): Promise<number> {
  let length = 0
  for await (const piece of body) length += piece.length
  return length
}
