import { LLMock } from '@copilotkit/aimock'

/** A local stand-in for the vendors: speaks OpenAI, Anthropic and Gemini on one port, and bills nothing. */
export interface Sandbox {
  readonly url: string
  stop(): Promise<void>
}

const GREETING =
  '你好，我是沙箱里的模型。 Hello from the sandbox: this text crossed the SDK, the BFF and the relay, token by token.'

/** Starts the sandbox on a free port of loopback. It answers any chat, at the pace of a quick model. */
export async function startSandbox(): Promise<Sandbox> {
  const mock = new LLMock({ port: 0, host: '127.0.0.1', logLevel: 'silent', journalMaxEntries: 100 })
  mock.addFixture({
    match: { predicate: () => true },
    response: { content: GREETING },
    chunkSize: 8,
    streamingProfile: { ttft: 150, tps: 60, jitter: 0 },
  })
  await mock.start()
  return { url: mock.url, stop: () => mock.stop() }
}
