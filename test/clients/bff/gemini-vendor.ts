import { createServer, type ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import { listen } from '@llm-ferry/kit'
import { ASK, PLACE, TEXT, VECTOR, WEATHER } from './rig.ts'

interface Part {
  readonly text?: string
  readonly functionCall?: { readonly name: string }
  readonly functionResponse?: unknown
  readonly thoughtSignature?: string
}

interface Request {
  readonly contents?: readonly { readonly parts: readonly Part[] }[]
  readonly tools?: unknown
  readonly requests?: readonly unknown[]
}

const SIGNATURE = 'c2lnbmF0dXJlIG9mIGEgdGhvdWdodA=='

/**
 * A Gemini that answers as the real one does where the sandbox does not: calls end with STOP and carry a signature, and
 * there are batches of embeddings.
 */
export async function startGemini(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const server = createServer(async (request, response) => {
    const body = (await json(request)) as Request
    const [, method = ''] = /:(\w+)/.exec(request.url ?? '') ?? []
    if (/^batchEmbed/.test(method))
      return answer(response, { embeddings: body.requests?.map(() => ({ values: VECTOR })) })
    if (method === 'embedContent') return answer(response, { embedding: { values: VECTOR } })
    const pieces = partsFor(body)
    if (method === 'streamGenerateContent') return stream(response, pieces)
    return answer(response, event(pieces, true))
  })
  const port = await listen(server, 0, '127.0.0.1')
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function partsFor({ contents = [], tools }: Request): readonly Part[] {
  const said = contents.flatMap(({ parts }) => parts)
  if (said.at(-1)?.functionResponse) return [{ text: WEATHER }]
  if (tools !== undefined) {
    return [
      { functionCall: { name: 'weather', args: { city: 'Köln' } } as { name: string }, thoughtSignature: SIGNATURE },
    ]
  }
  return said.some(({ text }) => text?.includes(ASK.object)) ? [{ text: JSON.stringify(PLACE) }] : words(TEXT)
}

const words = (text: string): readonly Part[] => text.split(/(?<= )/).map((word) => ({ text: word }))

const event = (parts: readonly Part[], isLast: boolean): unknown => ({
  candidates: [{ index: 0, content: { role: 'model', parts }, ...(isLast && { finishReason: 'STOP' }) }],
  usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 },
  modelVersion: 'gemini-2.5-flash',
})

function answer(response: ServerResponse, body: unknown): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
}

function stream(response: ServerResponse, parts: readonly Part[]): void {
  response.setHeader('content-type', 'text/event-stream')
  parts.forEach((part, i) => {
    response.write(`data: ${JSON.stringify(event([part], i === parts.length - 1))}\r\n\r\n`)
  })
  response.end()
}
