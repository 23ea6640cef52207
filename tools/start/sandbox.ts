import { LLMock } from '@copilotkit/aimock'
import { answerTo } from './sandbox-answer.ts'
import { geminiBatches } from './sandbox-embeddings.ts'
import { PIXEL, silence } from './sandbox-media.ts'

/** A local stand-in for the vendors: speaks OpenAI, Anthropic and Gemini on one port, and bills nothing. */
export interface Sandbox {
  readonly url: string
  stop(): Promise<void>
}

const HEARD = '你好，沙箱听到了。 The sandbox has heard you.'

/**
 * Starts the sandbox on a free port of loopback. It answers chats at the pace of a quick model, calls the first tool it is
 * offered, keeps to a JSON schema in OpenAI's dialect, and makes embeddings, sound, transcripts and images.
 */
export async function startSandbox(): Promise<Sandbox> {
  const mock = new LLMock({ port: 0, host: '127.0.0.1', logLevel: 'silent', journalMaxEntries: 100 })
  mock.addFixture({
    match: { endpoint: 'chat' },
    response: answerTo,
    chunkSize: 8,
    streamingProfile: { ttft: 150, tps: 60, jitter: 0 },
  })
  mock.onSpeech(/^/, { audio: silence(0.5).toString('base64'), format: 'wav' })
  mock.onTranscription({ transcription: { text: HEARD } })
  mock.onImage(/^/, { image: { b64Json: PIXEL } })
  // OpenAI's embeddings it makes by itself.
  mock.mount('/v1beta/models', geminiBatches)
  await mock.start()
  return { url: mock.url, stop: () => mock.stop() }
}
