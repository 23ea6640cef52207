import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger } from '@llm-ferry/kit'
import { onTestFinished } from 'vitest'
import { DIALECTS as WIRE } from '../../../test/testkit/dialects.ts'
import {
  chunk,
  head,
  lastChunk,
  type Script,
  ScriptedVendor,
  type Step,
} from '../../../test/testkit/scripted-vendor.ts'
import { type Bff, type Surroundings, startBff } from '../src/bff.ts'
import { readConfig } from '../src/config.ts'

export const BFF_KEY = 'bff-key-of-app-0123456789'
export const VENDOR_KEY = 'direct-vendor-key-0123456789'

/** A BFF in this process whose vendor `openai` is a scripted one, called directly. */
export interface TestBff {
  readonly bff: Bff
  readonly vendor: ScriptedVendor
  readonly origin: string
  readonly logLines: string[]
  /** Posts a chat; fields of `body` win over a minimal request's. */
  chat(body?: Record<string, unknown>, init?: RequestInit): Promise<Response>
}

/** Starts both and stops them when the test is over. */
export async function startTestBff(
  script: Script,
  env: Record<string, string> = {},
  yaml = '',
  surroundings: Surroundings = {},
): Promise<TestBff> {
  const vendor = await ScriptedVendor.start({ script })
  const file = join(mkdtempSync(join(tmpdir(), 'ferry-bff-')), 'ferry.yaml')
  const direct = (name: string, dialect: string): string =>
    `  ${name}: { dialect: ${dialect}, origin: "${vendor.origin}", apiKey: ${VENDOR_KEY} }\n`
  writeFileSync(
    file,
    `vendors:\n${direct('openai', 'openai')}${direct('anthropic', 'anthropic')}${direct('gemini', 'gemini')}${direct('second', 'openai')}${yaml}`,
  )
  const config = readConfig({ PORT: '0', HOST: '127.0.0.1', BFF_KEYS: `app:${BFF_KEY}`, FERRY_CONFIG: file, ...env })
  const logLines: string[] = []
  const log = createLogger('bff', 'info', { write: (line: string) => void logLines.push(line) })
  const bff = await startBff(config, log, surroundings)
  onTestFinished(async () => {
    await vendor.stop()
    await bff.stop()
  })
  const origin = `http://127.0.0.1:${bff.port}`
  return {
    bff,
    vendor,
    origin,
    logLines,
    chat: (body = {}, init = {}) =>
      fetch(`${origin}/v1/chat/completions`, {
        method: 'POST',
        body: JSON.stringify({ model: 'openai/gpt-x', messages: [{ role: 'user', content: 'Say hello' }], ...body }),
        ...init,
        headers: {
          authorization: `Bearer ${BFF_KEY}`,
          'content-type': 'application/json',
          ...(init.headers as Record<string, string> | undefined),
        },
      }),
  }
}

/** A JSON answer of the vendor. */
export const json = (status: number, body: unknown, headers: [string, string][] = []): Step[] => [
  head(status, [['content-type', 'application/json'], ['transfer-encoding', 'chunked'], ...headers]),
  chunk(JSON.stringify(body)),
  lastChunk(),
]

/** The vendor's usual whole answer. */
export const plainAnswer = (): Step[] => json(200, JSON.parse(WIRE.openai.answer))

/** The head of a streamed answer. */
export const streamHead = (): Step =>
  head(200, [
    ['content-type', 'text/event-stream'],
    ['transfer-encoding', 'chunked'],
  ])

/** The vendor's usual stream, event by event. */
export const streamEvents = (): Step[] => WIRE.openai.stream.map((event) => chunk(event))

/** The vendor's usual stream, whole. */
export const streamAnswer = (): Step[] => [streamHead(), ...streamEvents(), lastChunk()]

/** `data:` payloads of an SSE text. */
export const payloads = (text: string): string[] =>
  text
    .split('\n\n')
    .filter((block) => block.startsWith('data: '))
    .map((block) => block.slice('data: '.length))

/** The text that the chunks add up to. */
export const textOf = (sse: string): string =>
  payloads(sse)
    .filter((data) => data !== '[DONE]')
    .map(
      (data) => (JSON.parse(data) as { choices: { delta?: { content?: string } }[] }).choices[0]?.delta?.content ?? '',
    )
    .join('')

/** The `error` object of an answer. */
export const errorOf = async (response: Response): Promise<Record<string, unknown>> =>
  ((await response.json()) as { error: Record<string, unknown> }).error
