import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { LLMock } from '@copilotkit/aimock'

export const TEXT = '渡船早上六点开，晚上十点收班。'
/** Bytes that no text encoding leaves as they are. */
export const BYTES: Buffer = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))

/** The three vendors on one port: an independent mock's chats and OpenAI's files and audio, and files of the other two. */
export interface Upstream {
  readonly url: string
  /** Bodies of requests so far. */
  readonly bodies: Buffer[]
  stop(): Promise<void>
}

export async function startUpstream(): Promise<Upstream> {
  const mock = new LLMock({ port: 0, host: '127.0.0.1', logLevel: 'silent', chunkSize: 3 })
  mock.onEmbedding(/./, { embedding: [0.5, -0.25] })
  mock.addFixture({
    match: { predicate: ({ tools, messages }) => !!tools?.length && messages.at(-1)?.role !== 'tool' },
    response: { toolCalls: [{ name: 'weather', arguments: '{"city":"北京"}' }] },
  })
  mock.addFixture({
    match: { predicate: ({ response_format }) => response_format?.type === 'json_schema' },
    response: { content: '{"city":"北京","days":3}' },
  })
  mock.addFixture({ match: { predicate: () => true }, response: { content: TEXT } })
  mock.onSpeech(/./, { audio: BYTES.toString('base64') })
  mock.onTranscription({ transcription: { text: TEXT } })
  await mock.start()

  const bodies: Buffer[] = []
  const server = createServer(async (request, response) => {
    const body = await bytesOf(request)
    bodies.push(body)
    if (!serveFiles(request, body, response)) await forward(mock.url, request, body, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    bodies,
    async stop() {
      server.closeAllConnections()
      server.close()
      await mock.stop()
    },
  }
}

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece)
  return Buffer.concat(pieces)
}

const ANTHROPIC_FILE = { id: 'file_1', type: 'file', filename: 'a.bin', mime_type: 'application/pdf', size_bytes: 256 }
const GEMINI_FILE = { name: 'files/1', mimeType: 'application/pdf', sizeBytes: '256', state: 'ACTIVE' }

/** Answers requests for files at Anthropic and Gemini; false for any other. */
function serveFiles({ url = '', headers, method }: IncomingMessage, body: Buffer, response: ServerResponse): boolean {
  const json = (value: unknown, more: Record<string, string> = {}): boolean => {
    response.writeHead(200, { 'content-type': 'application/json', ...more }).end(JSON.stringify(value))
    return true
  }
  const command = headers['x-goog-upload-command']
  if (command === 'start') {
    const at = `https://generativelanguage.googleapis.com/upload/v1/files?upload_id=1`
    return json({}, { 'x-goog-upload-url': at, 'x-goog-upload-status': 'active' })
  }
  if (command)
    return json({ file: { ...GEMINI_FILE, sizeBytes: String(body.length) } }, { 'x-goog-upload-status': 'final' })
  if (/^\/v1(beta)?\/files\/1$/.test(url)) return json(GEMINI_FILE)
  if (!headers['anthropic-version'] || !url.startsWith('/v1/files')) return false
  if (method === 'GET' && url.includes('/content')) {
    response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(BYTES)
    return true
  }
  return json(ANTHROPIC_FILE)
}

/** The mock knows Gemini's v1beta alone, where Google's client asks for v1. */
async function forward(
  origin: string,
  request: IncomingMessage,
  body: Buffer,
  response: ServerResponse,
): Promise<void> {
  const path = request.url?.replace(/^\/v1\/(models\/[^/]+:)/, '/v1beta/$1')
  const { host: _, 'content-length': __, connection: ___, 'transfer-encoding': ____, ...headers } = request.headers
  const { method = 'GET' } = request
  const answer = await fetch(`${origin}${path}`, {
    method,
    headers: headers as Record<string, string>,
    body: method === 'GET' || method === 'DELETE' ? null : new Uint8Array(body),
  })
  response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
  for await (const piece of answer.body ?? []) response.write(piece)
  response.end()
}
