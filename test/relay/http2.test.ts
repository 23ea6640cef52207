import { copyFileSync } from 'node:fs'
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { getCACertificates, setDefaultCACertificates, connect as tlsConnect } from 'node:tls'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Certificates, createCertificates } from '../testkit/certs.ts'
import { chatBytes, DIALECTS, sseHead } from '../testkit/dialects.ts'
import { eventually } from '../testkit/eventually.ts'
import { RawClient } from '../testkit/raw-client.ts'
import { afterBody, chunk, delay, fin, hang, reset, ScriptedVendor, type Step } from '../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, relayEnv, type Service, startRelay, VENDOR_KEYS } from '../testkit/services.ts'
import { answerRightly } from './rig.ts'

const openai = DIALECTS.openai

/** What a stream gave: `code` is the error code of its end, 0 for a clean one. */
interface Outcome {
  readonly status: number
  readonly body: string
  readonly code: number
}

describe('TLS and HTTP/2 where no proxy is in front', () => {
  let certificates: Certificates
  let vendor: ScriptedVendor
  let relay: Service
  let session: ClientHttp2Session
  const defaults = getCACertificates('default')
  beforeAll(async () => {
    certificates = createCertificates()
    setDefaultCACertificates([...defaults, certificates.ca])
    vendor = await ScriptedVendor.start()
    relay = await startRelay(
      relayEnv(vendor.origin, { TLS_CERT_FILE: certificates.certFile, TLS_KEY_FILE: certificates.keyFile }),
    )
  })
  beforeEach(async () => {
    vendor.clear()
    answerRightly(vendor)
    session = connect(relay.origin)
    session.on('error', () => {})
    await new Promise<void>((resolve) => session.once('connect', () => resolve()))
  })
  afterEach(() => session.destroy())
  afterAll(async () => {
    for (const secret of [RELAY_TOKEN, ...Object.values(VENDOR_KEYS)]) expect(relay.log()).not.toContain(secret)
    await relay.stop()
    await vendor.stop()
    setDefaultCACertificates(defaults)
    certificates.remove()
  })

  const start = (body: string, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream => {
    const stream = session.request({
      ':method': 'POST',
      ':path': `/proxy/openai${openai.path}`,
      authorization: `Bearer ${RELAY_TOKEN}`,
      'content-type': 'application/json',
      ...headers,
    })
    stream.end(body)
    return stream
  }
  const outcome = (stream: ClientHttp2Stream): Promise<Outcome> =>
    new Promise((resolve) => {
      let status = 0
      let body = ''
      stream.setEncoding('utf8')
      stream.on('response', (headers) => {
        status = Number(headers[':status'])
      })
      stream.on('data', (text: string) => {
        body += text
      })
      stream.on('error', () => {})
      stream.on('close', () => resolve({ status, body, code: stream.rstCode ?? -1 }))
    })

  it('carries plain and streamed answers', async () => {
    expect(await outcome(start(openai.body))).toEqual({ status: 200, body: openai.answer, code: 0 })
    const streamed = await outcome(start(openai.streamBody))
    expect(streamed).toEqual({ status: 200, body: Buffer.concat(openai.stream).toString(), code: 0 })
    expect(vendor.requests.map((request) => request.header('host'))).toEqual(Array(2).fill(`127.0.0.1:${vendor.port}`))
  })

  it('carries 50 calls at once on one connection', async () => {
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => outcome(start(openai.body))))
    expect(outcomes.every(({ status, code }) => status === 200 && code === 0)).toBe(true)
  })

  it('still speaks HTTP/1.1', async () => {
    const client = await RawClient.connect(relay.port, { ca: certificates.ca })
    await client.send(chatBytes(openai))
    const [answer] = await client.answered()
    client.destroy()
    expect(answer?.status).toBe(200)
  })

  const BREAKS: Readonly<Record<string, readonly Step[]>> = {
    'a reset between events': [sseHead(), chunk('data: {}\n\n'), delay(20), reset()],
    'an end between events': [sseHead(), chunk('data: {}\n\n'), delay(20), fin()],
    'an end within the head': [sseHead(), delay(20), fin()],
  }
  // END_STREAM would say that all is there; a vendor's error event or RST_STREAM says that it is not.
  for (const [story, steps] of Object.entries(BREAKS)) {
    it(`does not end cleanly after ${story}`, async () => {
      vendor.script = afterBody(() => steps)
      const { body, code } = await outcome(start(openai.streamBody))
      if (code === 0) expect(body).toContain('"error"')
      expect(body).not.toContain('[DONE]')
    })
  }

  it('ends the call at the vendor within a second when the caller cancels its stream', async () => {
    vendor.script = () => [hang()]
    const stream = start(openai.streamBody)
    stream.on('error', () => {})
    const request = await vendor.received()
    const left = performance.now()
    stream.close(constants.NGHTTP2_CANCEL)
    expect((await request.closed).at - left).toBeLessThan(1000)
    vendor.clear()
    answerRightly(vendor)
    expect((await outcome(start(openai.body))).status, 'the connection goes on').toBe(200)
  })

  // Rapid reset (CVE-2023-44487): streams are opened and cancelled faster than the server can clean up after them.
  it('survives thousands of streams that are cancelled at once', async () => {
    for (let made = 0; made < 3000 && !session.destroyed; made++) {
      const stream = start(openai.body)
      stream.on('error', () => {})
      stream.close(constants.NGHTTP2_CANCEL)
      if (made % 100 === 0) await sleep(1)
    }
    session.destroy()
    await eventually(
      'the vendor is left alone',
      () => vendor.requests.every(({ closing, isComplete }) => closing || isComplete),
      3000,
    )
    const again = connect(relay.origin)
    await new Promise<void>((resolve) => again.once('connect', () => resolve()))
    again.destroy()
  })

  // H2.TE and H2.CL: HTTP/2 has its own frames for lengths; a header that says otherwise becomes a second request at
  // the HTTP/1.1 vendor behind (PortSwigger, "HTTP/2: the sequel is always worse").
  it.each<[string, OutgoingHttpHeaders]>([
    ['a length that is too short', { 'content-length': '1' }],
    ['a length that is too long', { 'content-length': '9999' }],
  ])('passes nothing on with %s', async (_, headers) => {
    await Promise.race([outcome(start(openai.body, headers)), sleep(1500)])
    for (const request of vendor.requests)
      expect(request.isComplete && request.body.toString() !== openai.body).toBe(false)
    expect(vendor.requests.filter(({ isComplete }) => isComplete)).toEqual([])
  })

  it('names the upstream as Host, whatever :authority says, and serves no other origin', async () => {
    await outcome(start(openai.body, { ':authority': 'evil.example' }))
    for (const request of vendor.requests) expect(request.headerValues('host')).toEqual([`127.0.0.1:${vendor.port}`])
  })

  it('refuses strangers in the shape of the vendor', async () => {
    const { status, body } = await outcome(start(openai.body, { authorization: 'Bearer stranger' }))
    expect(status).toBe(401)
    expect(openai.errorMessage(body)).toBeTruthy()
    expect(vendor.requests).toEqual([])
  })

  it('takes a new certificate without a restart', async () => {
    const renewed = createCertificates()
    setDefaultCACertificates([...defaults, certificates.ca, renewed.ca])
    copyFileSync(renewed.keyFile, certificates.keyFile)
    copyFileSync(renewed.certFile, certificates.certFile)
    await eventually('the new certificate', () => accepts(renewed.ca), 10_000)
    // Calls on the old connection go on.
    expect((await outcome(start(openai.body))).status).toBe(200)
    renewed.remove()
  })

  const accepts = (ca: string): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = tlsConnect({ port: relay.port, host: '127.0.0.1', servername: 'localhost', ca })
      socket.once('secureConnect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('close', () => resolve(false)).once('secureConnect', () => socket.destroy())
    })
})
