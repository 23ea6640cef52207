import { request } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { createLogger, Registry, reloadOnChange } from '@llm-ferry/kit'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Certificates, createCertificates } from '../../../../test/testkit/certs.ts'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { RawClient } from '../../../../test/testkit/raw-client.ts'
import { afterBody, chunk, head, lastChunk } from '../../../../test/testkit/scripted-vendor.ts'
import { RELAY_TOKEN, relayEnv } from '../../../../test/testkit/services.ts'
import { readRelayConfig } from '../../src/config.ts'
import { createRelay } from '../../src/relay.ts'
import { tlsFiles, tlsRig } from './rig.ts'

const AUTH = `authorization: Bearer ${RELAY_TOKEN}\r\nhost: localhost\r\n`

/** A TLS connection, or the error that it ended in. */
function handshake(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ...options }, () => resolve(socket))
    socket.once('error', reject)
  })
}

describe('a relay with a certificate', () => {
  const tls = tlsRig()

  it('serves HTTP/1.1 to those who choose it, or choose nothing', async () => {
    for (const ALPNProtocols of [['http/1.1'], undefined]) {
      const socket = await handshake(tls.rig.port, { ca: tls.ca, ...(ALPNProtocols && { ALPNProtocols }) })
      expect(socket.alpnProtocol || 'none').toBe(ALPNProtocols?.[0] ?? 'none')
      socket.destroy()
    }
    const client = await RawClient.connect(tls.rig.port, { ca: tls.ca })
    await client.send(`GET /proxy/openai/v1/models HTTP/1.1\r\n${AUTH}\r\n`)
    const [answer] = await client.answered()
    expect(answer).toMatchObject({ status: 200, complete: true })
    client.destroy()
  })

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('speaks %s', async (version) => {
    const socket = await handshake(tls.rig.port, { ca: tls.ca, minVersion: version, maxVersion: version })
    expect(socket.getProtocol()).toBe(version)
    socket.destroy()
  })

  it('does not speak TLS 1.1', async () => {
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const
    await expect(handshake(tls.rig.port, { ca: tls.ca, ...old })).rejects.toThrow()
  })

  it('chooses HTTP/2 where both can', async () => {
    const socket = await handshake(tls.rig.port, { ca: tls.ca, ALPNProtocols: ['http/1.1', 'h2'] })
    expect(socket.alpnProtocol).toBe('h2')
    socket.destroy()
  })

  it('survives callers that speak no TLS, and links back with https', async () => {
    const plain = await RawClient.connect(tls.rig.port)
    await plain.send(`GET /health HTTP/1.1\r\n${AUTH}\r\n`)
    expect(await plain.ended()).not.toBe('open')
    tls.rig.vendor.script = afterBody(() => [
      head(200, [
        ['content-length', '0'],
        ['x-goog-upload-url', 'https://generativelanguage.googleapis.com/upload/v1beta/files?upload_id=X'],
      ]),
    ])
    const url = await new Promise((resolve) => {
      const { port } = tls.rig
      const headers = { 'x-goog-api-key': RELAY_TOKEN }
      request({ port, host: 'localhost', ca: tls.ca, path: '/proxy/gemini/upload/v1beta/files', headers }, (answer) => {
        answer.resume()
        resolve(answer.headers['x-goog-upload-url'])
      }).end()
    })
    expect(url).toBe(`https://localhost:${tls.rig.port}/proxy/gemini/upload/v1beta/files?upload_id=X`)
  })

  it('tells when the certificate expires', async () => {
    const [, at] = /^relay_tls_certificate_expires_seconds (\S+)$/m.exec(await tls.rig.metrics()) ?? []
    expect(Number(at) * 1000 - Date.now()).toBeGreaterThan(0)
    expect(Number(at) * 1000 - Date.now()).toBeLessThan(2 * 24 * 3_600_000)
  })
})

describe('certificate files', () => {
  const files = tlsFiles()
  const env = { ...relayEnv('http://127.0.0.1:9'), ...files.env }
  let [first, second]: Certificates[] = []
  beforeAll(() => {
    first = createCertificates()
    second = createCertificates()
  })
  afterAll(() => {
    first?.remove()
    second?.remove()
    files.remove()
  })

  it('belong together', () => {
    files.write(first!)
    expect(readRelayConfig(env).tls?.cert).toBe(first!.cert)
    files.write({ cert: first!.cert, key: second!.key })
    expect(() => readRelayConfig(env)).toThrow(/TLS_CERT_FILE and TLS_KEY_FILE do not hold/)
    expect(() => readRelayConfig({ ...env, TLS_KEY_FILE: '' })).toThrow(/TLS_KEY_FILE is missing/)
    expect(() => readRelayConfig({ ...env, TLS_CERT_FILE: '' })).toThrow(/TLS_CERT_FILE is missing/)
    expect(() => readRelayConfig({ ...env, TLS_KEY_FILE: '/nowhere' })).toThrow(/cannot be read \(ENOENT\)/)
  })
})

describe('a certificate that is renewed', () => {
  const files = tlsFiles()
  const tls = tlsRig()
  const certificates: Certificates[] = []
  const ends: (() => Promise<void>)[] = []
  beforeAll(() => {
    certificates.push(createCertificates(), createCertificates())
    files.write(certificates[0]!)
  })
  afterEach(() => Promise.all(ends.map((end) => end())))
  afterAll(() => {
    for (const each of certificates) each.remove()
    files.remove()
  })

  it('serves new connections, while streams that run go on; half of a renewal changes nothing', async () => {
    const [old, fresh] = certificates as [Certificates, Certificates]
    const env = { ...relayEnv(tls.rig.vendor.origin), HOST: '127.0.0.1', PORT: '0', ...files.env }
    const lines: string[] = []
    const log = createLogger('relay', 'info', { write: (line: string) => void lines.push(line) })
    const config = readRelayConfig(env)
    const relay = createRelay(config, { log, registry: new Registry() })
    const port = await relay.listen()
    ends.push(() => relay.stop())
    reloadOnChange(config.files, () => relay.reload(readRelayConfig(env)), log)

    let finish = (): void => {}
    const finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    tls.rig.vendor.script = afterBody(() => [
      head(200, [['transfer-encoding', 'chunked']]),
      chunk('before '),
      () => finished,
      chunk('after'),
      lastChunk(),
    ])
    const running = await RawClient.connect(port, { ca: old.ca })
    await running.send(`GET /proxy/openai/v1/models HTTP/1.1\r\n${AUTH}\r\n`)
    await running.until(() => running.text.includes('before '))

    files.write({ cert: old.cert, key: fresh.key })
    await eventually('the log says why', () => lines.some((line) => line.includes('configuration_not_reloaded')), 8000)
    ;(await handshake(port, { ca: old.ca })).destroy()

    files.write(fresh)
    await eventually(
      'the new certificate',
      () =>
        handshake(port, { ca: fresh.ca }).then(
          (socket) => !!socket.destroy(),
          () => false,
        ),
      8000,
    )
    await expect(handshake(port, { ca: old.ca })).rejects.toThrow()
    finish()
    const [answer] = await running.answered()
    expect(answer).toMatchObject({ complete: true })
    expect(answer?.body.toString()).toBe('before after')
    running.destroy()
    await sleep(0)
  }, 20_000)
})
