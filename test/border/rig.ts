import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, Registry } from '@llm-ferry/kit'
import { createRelay, readRelayConfig } from '@llm-ferry/relay'
import { createLink, type Link, type LinkOptions } from '@llm-ferry/sdk/link'
import { DIALECTS, type Dialect, rightAnswer } from '../testkit/dialects.ts'
import { afterBody, ScriptedVendor, type Step } from '../testkit/scripted-vendor.ts'
import { relayEnv, type ServiceEnv } from '../testkit/services.ts'
import { Line, type LineOptions } from './line.ts'

/** A vendor, a relay, a line to it, and a link over the line. All in this process. */
export interface BorderRig {
  readonly vendor: ScriptedVendor
  readonly line: Line
  link: Link
  /** Closes the link and opens another, which has no connections yet. */
  newLink(): Promise<void>
  /** The relay's metrics page. */
  metrics(): Promise<string>
  /** The relay's own origin, past the line. */
  readonly relayOrigin: string
  stop(): Promise<void>
}

const SILENT = { write() {} }

export async function startRelayHere(vendor: ScriptedVendor, env: ServiceEnv = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-border-'))
  const config = readRelayConfig({
    ...relayEnv(vendor.origin),
    HOST: '127.0.0.1',
    PORT: '0',
    LINK_HEARTBEAT_MS: '50',
    EXCHANGE_GRACE_MS: '20000',
    EXCHANGE_MARKERS_DIR: folder,
    DRAIN_TIMEOUT_MS: '1',
    ...env,
  })
  const registry = new Registry()
  const relay = createRelay(config, { log: createLogger('relay', 'silent', SILENT), registry })
  const port = await relay.listen()
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    /** To watch what arrives. */
    server: relay.server,
    metrics: () => registry.metrics(),
    /** Takes nothing new from now on, and ends with what runs. */
    drain: () => relay.stop(),
    async stop() {
      relay.server.closeAllConnections()
      await relay.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export async function startBorder(
  options: LineOptions = {},
  env: ServiceEnv = {},
  more: Partial<LinkOptions> = {},
): Promise<BorderRig> {
  const vendor = await ScriptedVendor.start()
  const relay = await startRelayHere(vendor, env)
  const line = await Line.start(relay.port, options)
  const open = (): Link =>
    createLink({
      relays: [line.origin],
      leastSilenceMs: 100,
      mostSilenceMs: 200,
      connectMs: 300,
      graceMs: 20_000,
      // Connections are numbered by the tests.
      spareConnections: 0,
      ...more,
    })
  answerRightly(vendor)
  const rig: BorderRig = {
    vendor,
    line,
    link: open(),
    relayOrigin: relay.origin,
    metrics: relay.metrics,
    async newLink() {
      await rig.link.close()
      rig.link = open()
    },
    async stop() {
      await rig.link.close()
      await line.stop()
      await relay.stop()
      await vendor.stop()
    },
  }
  return rig
}

/** Whether a request asks for a stream. */
const isStreamed = (target: string, body: Buffer): boolean =>
  target.includes('streamGenerate') || body.includes('"stream":true')

const dialectOf = (target: string): Dialect =>
  target.includes('/messages')
    ? DIALECTS.anthropic
    : target.includes('enerateContent')
      ? DIALECTS.gemini
      : DIALECTS.openai

/** Lets the vendor answer in its dialect, plain or streamed as it was asked. */
export function answerRightly(
  vendor: ScriptedVendor,
  before: (step: Step) => readonly Step[] = (step) => [step],
): void {
  vendor.script = afterBody(({ target, body }) =>
    rightAnswer(dialectOf(target), isStreamed(target, body)).flatMap(before),
  )
}

/** One call of a dialect over the link, to its last byte. */
export async function callOverLink(link: Link, dialect: Dialect, streamed: boolean, signal?: AbortSignal) {
  const [name, value] = dialect.credential
  const answer = await link.request({
    path: `/proxy/${dialect.vendor}${streamed ? dialect.streamPath : dialect.path}`,
    method: 'POST',
    headers: [name, value, 'content-type', 'application/json'],
    body: Buffer.from(streamed ? dialect.streamBody : dialect.body),
    signal,
  })
  const pieces: Uint8Array[] = []
  for await (const piece of answer.body) pieces.push(piece)
  return { status: answer.status, relay: answer.relay, body: Buffer.concat(pieces) }
}

/** What the vendor's body is, uncut. */
export const wholeBody = (dialect: Dialect, streamed: boolean): Buffer =>
  streamed ? Buffer.concat(dialect.stream) : Buffer.from(dialect.answer)
