import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type SecureVersion } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Line } from '../border/line.ts'
import { type Certificates, createCertificates } from '../testkit/certs.ts'
import { DIALECTS, json, requestBytes } from '../testkit/dialects.ts'
import { headerOf, RawClient } from '../testkit/raw-client.ts'
import { afterBody, ScriptedVendor } from '../testkit/scripted-vendor.ts'
import { relayEnv, type Service, startRelay } from '../testkit/services.ts'
import { type Front, overseasEnv, startFront } from './front.ts'

const { openai } = DIALECTS
const TEMPLATE = fileURLToPath(new URL('../../deploy/overseas/nginx.conf', import.meta.url))
const TOO_LARGE = { error: { code: 'request_too_large' } }

describe('what the real nginx agrees to', () => {
  let certificates: Certificates
  let vendor: ScriptedVendor
  let relays: readonly [Service, Service]
  let front: Front
  let folder: string

  beforeAll(async () => {
    certificates = createCertificates()
    vendor = await ScriptedVendor.start()
    vendor.script = afterBody(() => json(openai.answer))
    const env = relayEnv(vendor.origin, { TRUSTED_PROXIES: '127.0.0.1/32' })
    relays = [await startRelay(env), await startRelay(env)]
    front = await startFront('overseas', overseasEnv(certificates, relays))
    folder = mkdtempSync(join(tmpdir(), 'ferry-tls-'))
  })
  afterAll(async () => {
    await front?.stop()
    for (const relay of relays ?? []) await relay.stop()
    await vendor?.stop()
    certificates?.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  /** What openssl's client says of a handshake, allowed to offer what is long forbidden. */
  const handshake = (...options: string[]): Promise<string> =>
    new Promise((resolve) => {
      const args = ['s_client', '-connect', `127.0.0.1:${front.httpsPort}`, '-servername', 'localhost', ...options]
      const child = execFile('openssl', args, (_, stdout, stderr) => resolve(stdout + stderr))
      child.stdin?.end()
    })

  it.each([
    ['-tls1_2', 'TLSv1.2'],
    ['-tls1_3', 'TLSv1.3'],
  ])('speaks %s', async (option, version) => {
    expect(await handshake(option)).toContain(`New, ${version}, Cipher is `)
  })

  it.each(['-tls1', '-tls1_1'])('refuses %s', async (option) => {
    const said = await handshake(option, '-cipher', 'ALL:@SECLEVEL=0')
    expect(said).toContain('alert protocol version')
    expect(said).toContain('Cipher is (NONE)')
  })

  it('takes ciphers with forward secrecy and AEAD alone', async () => {
    const taken: string[] = []
    // Offered everything, it takes one; offered everything but that, another; until it takes none.
    for (let chosen = ''; chosen !== '(NONE)'; ) {
      const offer = ['ALL:@SECLEVEL=0', ...taken.map((name) => `!${name}`)].join(':')
      chosen = /Cipher is (\S+)/.exec(await handshake('-tls1_2', '-cipher', offer))?.[1] ?? 'no answer'
      if (chosen !== '(NONE)') taken.push(chosen)
      expect(taken.length).toBeLessThan(10)
    }
    // The certificate of this test is ECDSA's; with an RSA one the same three stand with RSA in their names.
    expect(taken.toSorted()).toEqual([
      'ECDHE-ECDSA-AES128-GCM-SHA256',
      'ECDHE-ECDSA-AES256-GCM-SHA384',
      'ECDHE-ECDSA-CHACHA20-POLY1305',
    ])
  })

  it.each<SecureVersion>(['TLSv1.2', 'TLSv1.3'])('resumes a session of %s', async (version) => {
    const ask = (session?: Buffer): Promise<{ reused: boolean; session: Buffer }> =>
      new Promise((resolve, reject) => {
        const socket = connectTls({
          port: front.httpsPort,
          host: '127.0.0.1',
          servername: 'localhost',
          ca: certificates.ca,
          minVersion: version,
          maxVersion: version,
          ...(session && { session }),
        })
        socket.on('error', reject).setTimeout(5000, () => socket.destroy(new Error('no session')))
        let last = session
        socket.on('session', (got: Buffer) => {
          last = got
        })
        // TLS 1.3 gives the session after the handshake, before the answer.
        socket.on('secureConnect', () => socket.write('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n'))
        socket.once('data', () => {
          const reused = socket.isSessionReused()
          socket.destroy()
          if (last) resolve({ reused, session: last })
          else reject(new Error('no session'))
        })
      })
    const first = await ask()
    expect(first.reused).toBe(false)
    expect((await ask(first.session)).reused).toBe(true)
  })

  const post = (
    session: ClientHttp2Session,
    path: string,
    type: string,
    write: (stream: ReturnType<ClientHttp2Session['request']>) => void,
  ): Promise<{ status: unknown; headers: IncomingHttpHeaders; text: string }> =>
    new Promise((resolve, reject) => {
      const [name, value] = openai.credential
      const stream = session.request({ ':method': 'POST', ':path': path, [name]: value, 'content-type': type })
      let text = ''
      let head: IncomingHttpHeaders = {}
      stream.on('response', (headers) => {
        head = headers
      })
      stream.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
      })
      stream.on('end', () => resolve({ status: head[':status'], headers: head, text }))
      stream.on('error', (error) => (head[':status'] ? undefined : reject(error)))
      write(stream)
    })

  it('lets an upload over HTTP/2 have the line: 1 MB in a few round trips of 200 ms', async () => {
    const line = await Line.start(front.httpsPort, { delayMs: 100 })
    const session = connect(`https://localhost:${line.port}`, { ca: certificates.ca })
    try {
      await new Promise((resolve) => session.once('remoteSettings', resolve))
      const startedAt = performance.now()
      const body = JSON.stringify({ ...JSON.parse(openai.body), padding: 'p'.repeat(1_000_000) })
      const answer = await post(session, `/proxy/openai${openai.path}`, 'application/json', (stream) =>
        stream.end(body),
      )
      expect(answer.status).toBe(200)
      // With the default windows, of 64 KiB, it would be sixteen round trips: 3.2 s.
      expect(performance.now() - startedAt).toBeLessThan(1500)
    } finally {
      session.destroy()
      await line.stop()
    }
  })

  describe('a body without a length that grows too large', () => {
    let small: Front
    beforeAll(async () => {
      const template = join(folder, 'nginx.conf')
      // As it is but for the number: half a gigabyte takes its time.
      const text = readFileSync(TEMPLATE, 'utf8')
      expect(text).toContain('client_max_body_size 513m;')
      writeFileSync(template, text.replace('client_max_body_size 513m;', 'client_max_body_size 2m;'))
      small = await startFront('overseas', { ...overseasEnv(certificates, relays), FERRY_TEMPLATE: template })
    })
    afterAll(() => small?.stop())

    const expectRefusal = (status: unknown, get: (name: string) => unknown, text: string): void => {
      expect(status).toBe(413)
      expect(get('content-type')).toBe('application/json')
      expect(get('x-ferry-error')).toBe('request_too_large')
      expect(get('x-ferry-reached')).toBe('no')
      expect(get('x-should-retry')).toBe('false')
      expect(JSON.parse(text)).toMatchObject(TOO_LARGE)
    }

    it('gets 413 in our words over HTTP/1.1, and no vendor sees it', async () => {
      vendor.clear()
      const client = await RawClient.connect(small.httpsPort, { ca: certificates.ca })
      const headers = [
        openai.credential,
        ['transfer-encoding', 'chunked'],
        ['content-type', 'multipart/form-data; boundary=x'],
      ] as const
      await client.send(requestBytes({ target: '/proxy/openai/v1/files', headers }))
      const piece = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(0x10000, 'u'), Buffer.from('\r\n')])
      for (let i = 0; i < 40 && !client.text.includes('413'); i++) await client.send(piece).catch(() => {})
      const [answer] = await client.answered()
      client.destroy()
      if (!answer) throw new Error('no answer')
      expectRefusal(answer.status, (name) => headerOf(answer, name), answer.body.toString())
      expect(vendor.requests).toHaveLength(0)
    })

    it('gets 413 in our words over HTTP/2, and no vendor sees it', async () => {
      vendor.clear()
      const session = connect(`https://localhost:${small.httpsPort}`, { ca: certificates.ca })
      const type = 'multipart/form-data; boundary=x'
      const { status, headers, text } = await post(session, '/proxy/openai/v1/files', type, (stream) => {
        stream.write(Buffer.alloc(1_500_000, 'u'))
        stream.end(Buffer.alloc(1_500_000, 'u'))
      })
      session.destroy()
      expectRefusal(status, (name) => headers[name], text)
      expect(vendor.requests).toHaveLength(0)
    })
  })
})
