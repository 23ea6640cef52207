import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { createLogger, Registry } from '@llm-ferry/kit'
import { createRelay, readRelayConfig } from '@llm-ferry/relay'
import OpenAI from 'openai'
import { createCertificates } from '../../testkit/certs.ts'
import { head, ScriptedVendor, type Step, type VendorRequest } from '../../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, relayEnv } from '../../testkit/services.ts'

/** A relay with a certificate of its own, in front of a vendor with one: TLS on both sides, nothing else between. */
export interface TlsRelay {
  readonly vendor: ScriptedVendor
  readonly port: number
  readonly lines: readonly string[]
  openai(apiKey?: string): OpenAI
  stop(): Promise<void>
}

export async function startTlsRelay(): Promise<TlsRelay> {
  const certificates = createCertificates()
  const { key, cert, ca, caFile } = certificates
  const [TLS_CERT_FILE, TLS_KEY_FILE] = [join(dirname(caFile), 'relay.crt'), join(dirname(caFile), 'relay.key')]
  writeFileSync(TLS_CERT_FILE, cert)
  writeFileSync(TLS_KEY_FILE, key)
  const defaults = getCACertificates('default')
  setDefaultCACertificates([...defaults, ca])
  const vendor = await ScriptedVendor.start({ tls: { key, cert } })
  const lines: string[] = []
  const log = createLogger('relay', 'info', { write: (line: string) => void lines.push(line) })
  const env = { ...relayEnv(vendor.origin), HOST: '127.0.0.1', PORT: '0', DRAIN_TIMEOUT_MS: '50' }
  const relay = createRelay(readRelayConfig({ ...env, TLS_CERT_FILE, TLS_KEY_FILE }), { log, registry: new Registry() })
  const port = await relay.listen()
  return {
    vendor,
    port,
    lines,
    openai: (apiKey = RELAY_TOKEN) =>
      new OpenAI({ apiKey, baseURL: `https://localhost:${port}/proxy/openai/v1`, dangerouslyAllowBrowser: true }),
    async stop() {
      await relay.stop()
      await vendor.stop()
      setDefaultCACertificates(defaults)
      certificates.remove()
    },
  }
}

/** What a vendor says to an upgrade: it agrees, then goes through the steps. */
export const session =
  (...steps: readonly Step[]) =>
  (request: VendorRequest): readonly Step[] => [agree(request), ...steps]

function agree(request: VendorRequest): Step {
  const key = request.header('sec-websocket-key') ?? ''
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  const [protocol] = (request.header('sec-websocket-protocol') ?? '').split(',')
  return head(101, [
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket'],
    ['Sec-WebSocket-Accept', accept],
    ...(protocol ? ([['Sec-WebSocket-Protocol', protocol]] as const) : []),
  ])
}

/** A server's frame. */
export function frame(opcode: number, payload: Buffer | string): Buffer {
  const body = Buffer.from(payload)
  const length = body.length < 126 ? [body.length] : [126, body.length >> 8, body.length & 255]
  return Buffer.concat([Buffer.from([0x80 | opcode, ...length]), body])
}

export const closeFrame = (code: number, reason: string): Buffer =>
  frame(8, Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]))

/** The payload of a client's frame that has been found in what a vendor received; its first byte tells the kind. */
export function clientFrame(bytes: Buffer, opcode: number): Buffer | undefined {
  for (let at = 0; at + 6 <= bytes.length; ) {
    const short = (bytes[at + 1] ?? 0) & 0x7f
    const start = at + (short === 126 ? 8 : 6)
    const length = short === 126 ? bytes.readUInt16BE(at + 2) : short
    const mask = bytes.subarray(start - 4, start)
    if (((bytes[at] ?? 0) & 15) === opcode) {
      return Buffer.from(bytes.subarray(start, start + length).map((byte, index) => byte ^ (mask[index % 4] ?? 0)))
    }
    at = start + length
  }
  return undefined
}
