import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { createLink, type LinkAnswer, type LinkOptions } from '@llm-ferry/sdk/link'
import { openai } from '@llm-ferry/sdk/openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Certificates, createCertificates } from '../../../../test/testkit/certs.ts'
import { type ClientAuthority, createClientAuthority } from '../../../../test/testkit/client-certs.ts'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { freePort } from '../../../../test/testkit/ports.ts'

const ASKED = { path: '/proxy/openai/v1/models', method: 'GET', headers: [], body: Buffer.alloc(0) }

let certificates: Certificates
let authority: ClientAuthority
beforeAll(() => {
  certificates = createCertificates()
  authority = createClientAuthority()
})
afterAll(() => {
  certificates.remove()
  authority.remove()
})

const caOf = (): string => readFileSync(authority.caFile, 'utf8')
const codeOf = ({ headers }: LinkAnswer): string | undefined => headers[headers.indexOf('x-ferry-error') + 1]

async function ask(relay: string, clientCertificate?: LinkOptions['clientCertificate']) {
  const link = createLink({ relays: [relay], ca: certificates.ca, clientCertificate, spareConnections: 0 })
  try {
    return { code: codeOf(await link.request(ASKED)), stats: link.stats()[0] }
  } finally {
    await link.close()
  }
}

// Most doors that demand certificates end the handshake with an alert; nginx answers with HTTP (test/deploy).
describe('a door that demands a certificate by an alert of TLS', () => {
  const doors: ChildProcess[] = []
  afterAll(() => {
    for (const door of doors) door.kill('SIGKILL')
  })
  const open = async (version: 'tls1_2' | 'tls1_3'): Promise<string> => {
    const port = await freePort()
    const { certFile, keyFile } = certificates
    const demand = ['-Verify', '2', '-verify_return_error', '-CAfile', authority.caFile]
    const args = [
      's_server',
      '-accept',
      String(port),
      '-cert',
      certFile,
      '-key',
      keyFile,
      ...demand,
      `-${version}`,
      '-www',
    ]
    doors.push(spawn('openssl', args, { stdio: 'ignore' }))
    await eventually(
      'it listens',
      () =>
        new Promise((resolve) => {
          const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
          socket.unref().end()
        }),
    )
    return `https://localhost:${port}`
  }

  it.each(['tls1_2', 'tls1_3'] as const)('is told from a line that breaks, in %s', async (version) => {
    const relay = await open(version)
    const strangers = createClientAuthority()
    const bad = [strangers.issue('bff', 'stranger'), authority.expired(authority.issue('bff', 'old'))]
    const startedAt = performance.now()
    for (const shown of version === 'tls1_2' ? bad : [undefined, ...bad]) {
      const { code, stats } = await ask(relay, shown)
      expect(code).toBe('client_certificate_refused')
      expect(stats?.certificateRefusals).toBeGreaterThan(0)
    }
    strangers.remove()
    // And not after the minutes for which a broken line would be pursued.
    expect(performance.now() - startedAt).toBeLessThan(5000)
    // openssl's page is no relay, and shows that the door is open.
    expect((await ask(relay, authority.issue('bff', 'good'))).code).toBe('upstream_invalid')
  })
})

describe('a certificate that is asked for anew', () => {
  const names: string[] = []
  const resumed: boolean[] = []
  const servers: Server[] = []
  const serve = async (): Promise<string> => {
    const { cert, key } = certificates
    const server = createServer({ cert, key, ca: caOf(), requestCert: true }, (_, answer) =>
      answer.writeHead(404, { 'x-ferry-error': 'not_found', 'x-ferry-reached': 'no' }).end('{}'),
    )
    server.on('secureConnection', (socket: TLSSocket) => {
      names.push(String(socket.getPeerCertificate().subject?.CN))
      resumed.push(socket.isSessionReused())
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    servers.push(server)
    return `https://localhost:${(server.address() as AddressInfo).port}`
  }
  afterAll(() => {
    for (const server of servers) {
      server.closeAllConnections()
      server.close()
    }
  })

  it('gets the certificate of the moment, and no session of a former one', async () => {
    const relay = await serve()
    let shown = authority.issue('bff', 'first')
    const link = createLink({
      relays: [relay],
      ca: certificates.ca,
      clientCertificate: () => shown,
      spareConnections: 0,
    })
    const once = async (): Promise<void> => {
      await link.request(ASKED)
      // The next request needs a connection of its own.
      servers.at(-1)?.closeAllConnections()
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    await once()
    await once()
    shown = authority.issue('bff', 'second')
    await once()
    await once()
    await link.close()
    expect(names).toEqual(['first', 'first', 'second', 'second'])
    expect(resumed).toEqual([false, true, false, true])
  })

  it('fails as an unreachable relay does while the certificate cannot be read', async () => {
    const relay = await serve()
    const { code } = await ask(relay, () => {
      throw new Error('ENOENT')
    })
    expect(code).toBe('upstream_unreachable')
    const [one, other] = [authority.issue('bff', 'one'), authority.issue('bff', 'other')]
    expect((await ask(relay, { cert: one.cert, key: other.key })).code).toBe('upstream_unreachable')
  })
})

it('refuses a client certificate where it could not be shown', () => {
  const clientCertificate = { cert: '', key: '' }
  const target = { baseURL: 'https://relay.example', apiKey: 'token-of-a-relay-0123' }
  expect(() => openai({ ...target, clientCertificate })).toThrow('`clientCertificate` is for `via: "relay"`')
  expect(() => openai({ ...target, via: 'relay', durable: false, clientCertificate })).toThrow('clientCertificate')
  expect(() => openai({ ...target, via: 'relay', fetch, clientCertificate })).toThrow('clientCertificate')
})
