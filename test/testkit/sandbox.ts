import { LLMock } from '@copilotkit/aimock'

/** What the sandbox answers to any chat without tools. */
export const SANDBOX_TEXT = 'Grüße 你好 \u{1F6A2}, from the sandbox'

/** An independent server of the three vendors' APIs, which answers everything the same way each time but for ids. */
export async function startSandbox(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const mock = new LLMock({ port: 0, host: '127.0.0.1', logLevel: 'silent', chunkSize: 5 })
  mock.on({ toolName: 'weather' }, { toolCalls: [{ name: 'weather', arguments: '{"city":"Köln"}' }] })
  mock.onMessage(/./, { content: SANDBOX_TEXT })
  mock.onEmbedding(/./, { embedding: [0.5, -0.25, 0.125] })
  mock.onImage(/./, { image: { b64Json: 'aGk=' } })
  mock.onSpeech(/./, { audio: Buffer.from('sound').toString('base64') })
  mock.onTranscription({ transcription: { text: 'hello' } })
  await mock.start()
  return { url: mock.url, stop: () => mock.stop() }
}
