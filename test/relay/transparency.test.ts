import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Certificates, createCertificates } from '../testkit/certs.ts'
import { chatBytes, DIALECTS, json, requestBytes } from '../testkit/dialects.ts'
import { eventually } from '../testkit/eventually.ts'
import type { Field } from '../testkit/http-reader.ts'
import { exchange, headerOf, RawClient } from '../testkit/raw-client.ts'
import { afterBody, chunk, delay, head, lastChunk, raw, ScriptedVendor } from '../testkit/scripted-vendor.ts'
import { relayEnv, type Service, startRelay } from '../testkit/services.ts'
import { answerRightly, relayRig } from './rig.ts'

const openai = DIALECTS.openai

describe('answers byte for byte', () => {
  const rig = relayRig()
  const ask = (method = 'POST', headers: readonly Field[] = []) =>
    exchange(
      rig.relay.port,
      requestBytes({ method, target: '/proxy/openai/v1/x', headers: [openai.credential, ...headers] }),
      { method },
    )

  it('status, reason, headers in their order and letter case, body', async () => {
    const headers: readonly Field[] = [
      ['Date', 'Sun, 22 Nov 2026 08:00:00 GMT'],
      ['X-Request-ID', 'req_1'],
      ['openai-organization', 'org'],
      ['Content-Type', 'application/octet-stream'],
      ['X-Ratelimit-Reset', '6m0s'],
      ['Server', 'cloudflare'],
      ['ETag', 'W/"x"'],
      ['Content-Length', '256'],
    ]
    const body = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    rig.vendor.script = afterBody(() => [head(299, headers, 'Quite Alright'), raw(body)])
    const answer = await ask()
    expect(answer.status).toBe(299)
    const own = answer.headers.filter(([name]) => !/^(connection|keep-alive|x-ferry-.*)$/i.test(name))
    expect(own.map(([name, value]) => [name.toLowerCase(), value])).toEqual(
      headers.map(([name, value]) => [name.toLowerCase(), value]),
    )
    expect(answer.body.equals(body)).toBe(true)
  })

  it('compressed bodies, neither unpacked nor packed again', async () => {
    const body = gzipSync('{"a":"ü"}')
    rig.vendor.script = afterBody(() => [
      head(200, [
        ['content-encoding', 'gzip'],
        ['content-length', String(body.length)],
      ]),
      raw(body),
    ])
    const answer = await ask('POST', [['accept-encoding', 'gzip;q=0.5, zstd']])
    expect(answer.body.equals(body)).toBe(true)
    expect(headerOf(answer, 'content-encoding')).toBe('gzip')
    expect(rig.vendor.only.header('accept-encoding')).toBe('gzip;q=0.5, zstd')
  })

  it('asks for no coding that the caller did not ask for', async () => {
    await ask()
    expect(rig.vendor.only.header('accept-encoding')).toBeUndefined()
  })

  it('trailers', async () => {
    rig.vendor.script = afterBody(() => [
      head(200, [
        ['transfer-encoding', 'chunked'],
        ['trailer', 'X-Checksum'],
      ]),
      chunk('{}'),
      lastChunk([['X-Checksum', 'abc']]),
    ])
    const answer = await ask('POST', [['te', 'trailers']])
    expect(answer.complete).toBe(true)
    expect(answer.trailers).toEqual([['X-Checksum', 'abc']])
  })

  it.each([204, 304])('a %i, which has no body', async (status) => {
    rig.vendor.script = afterBody(() => [head(status, [['etag', '"x"']])])
    const client = await RawClient.connect(rig.relay.port)
    const bytes = requestBytes({
      method: 'GET',
      target: '/proxy/openai/v1/x',
      headers: [openai.credential, ['if-none-match', '"x"']],
    })
    await client.send(bytes)
    await client.answered(1)
    answerRightly(rig.vendor)
    await client.send(bytes)
    const answers = await client.answered(2)
    client.destroy()
    // A body where none may be would be read as the next answer.
    expect(answers.map((answer) => answer.status)).toEqual([status, 200])
  })

  it('HEAD, with the length of what GET would give', async () => {
    rig.vendor.script = afterBody(() => [
      head(200, [
        ['content-length', '12345'],
        ['content-type', 'text/plain'],
      ]),
    ])
    const answer = await ask('HEAD')
    expect(headerOf(answer, 'content-length')).toBe('12345')
    expect(answer.body.length).toBe(0)
  })

  it('an empty body with a length, and one in chunks', async () => {
    rig.vendor.script = afterBody(() => json(''))
    expect((await ask()).body.length).toBe(0)
    rig.vendor.script = afterBody(() => [head(200, [['transfer-encoding', 'chunked']]), lastChunk()])
    expect(await ask()).toMatchObject({ complete: true, status: 200 })
  })

  it('keeps a POST without a body without one', async () => {
    await exchange(
      rig.relay.port,
      requestBytes({ target: '/proxy/openai/v1/batches/b/cancel', headers: [openai.credential] }),
    )
    expect(rig.vendor.only.header('content-length')).toBe('0')
    expect(rig.vendor.only.header('transfer-encoding')).toBeUndefined()
  })

  it('keeps connections alive on both sides', async () => {
    const before = rig.vendor.accepted
    const client = await RawClient.connect(rig.relay.port)
    for (let call = 1; call <= 20; call++) {
      await client.send(chatBytes(openai))
      await client.answered(call)
    }
    client.destroy()
    expect(client.responses.map(({ status }) => status)).toEqual(Array<number>(20).fill(200))
    expect(rig.vendor.accepted - before).toBeLessThanOrEqual(1)
  })
})

describe('operation', () => {
  const rig = relayRig()

  it('answers /health and /ready', async () => {
    const health = await exchange(rig.relay.port, requestBytes({ method: 'GET', target: '/health' }))
    const { status, timestamp } = JSON.parse(health.body.toString()) as Record<string, string>
    expect(status).toBe('ok')
    expect(new Date(timestamp ?? '').toISOString()).toBe(timestamp)
    expect((await exchange(rig.relay.port, requestBytes({ method: 'GET', target: '/ready' }))).status).toBe(200)
  })

  it('writes one access line for each request, good or bad, with an id that the answer has', async () => {
    const answers = [
      await exchange(rig.relay.port, chatBytes(openai)),
      await exchange(rig.relay.port, requestBytes({ target: '/proxy/openai/v1/x' })),
      await exchange(rig.relay.port, requestBytes({ target: '/proxy/nobody/v1/x', headers: [openai.credential] })),
    ]
    for (const answer of answers) {
      const id = headerOf(answer, 'x-ferry-request-id') ?? 'no id'
      await eventually(`a line with ${id}`, () => rig.relay.log().includes(id), 2000)
      const lines = rig.relay.lines.filter((line) => line.includes(id))
      expect(lines).toHaveLength(1)
      expect(JSON.parse(lines[0] ?? '')).toMatchObject({ service: 'relay', status: answer.status })
    }
  })

  it('counts requests by vendor, method and status, and measures the first byte and the whole', async () => {
    await exchange(rig.relay.port, chatBytes(openai, { streamed: true }))
    const metrics = await (await fetch(`http://127.0.0.1:${rig.relay.metricsPort}/metrics`)).text()
    expect(metrics).toMatch(
      /^http_requests_total\{(?=[^}]*vendor="openai")(?=[^}]*method="POST")(?=[^}]*status="200")/m,
    )
    expect(metrics.match(/^# TYPE \S+ histogram$/gm)?.length).toBeGreaterThanOrEqual(2)
    expect(metrics).toContain('le="0.001"')
    expect(metrics).toContain('le="300"')
  })

  it('lets no stranger fill the metrics with labels', async () => {
    for (let made = 0; made < 50; made++) {
      await exchange(rig.relay.port, requestBytes({ method: `X${made}`, target: `/proxy/v${made}/x` })).catch(() => {})
      await exchange(
        rig.relay.port,
        requestBytes({ method: 'QUERY', target: `/proxy/w${made}/x`, headers: [openai.credential] }),
      )
    }
    const metrics = await (await fetch(`http://127.0.0.1:${rig.relay.metricsPort}/metrics`)).text()
    expect(metrics).not.toMatch(/"[vw]4\d"/)
  })
})

describe('a vendor over TLS', () => {
  let certificates: Certificates
  let vendor: ScriptedVendor
  let trusting: Service
  let distrusting: Service
  beforeAll(async () => {
    certificates = createCertificates()
    vendor = await ScriptedVendor.start({ tls: certificates })
    answerRightly(vendor)
    trusting = await startRelay(relayEnv(vendor.origin, { NODE_EXTRA_CA_CERTS: certificates.caFile }))
    distrusting = await startRelay(relayEnv(vendor.origin))
  })
  afterAll(async () => {
    await trusting?.stop()
    await distrusting?.stop()
    await vendor?.stop()
    certificates?.remove()
  })

  it('is called when its certificate is good', async () => {
    vendor.clear()
    expect((await exchange(trusting.port, chatBytes(openai))).status).toBe(200)
    expect(vendor.only.header('host')).toBe(`localhost:${vendor.port}`)
  })

  it('gets no byte when it is not: the key would go to whoever sits in between', async () => {
    vendor.clear()
    const answer = await exchange(distrusting.port, chatBytes(openai))
    expect(answer.status).toBe(502)
    expect(headerOf(answer, 'x-ferry-error')).toBe('upstream_unreachable')
    expect(headerOf(answer, 'x-ferry-reached')).toBe('no')
    expect(vendor.requests).toEqual([])
  })

  it('breaks the answer when it breaks without a close_notify', async () => {
    vendor.clear()
    vendor.script = afterBody(() => [
      head(200, [['content-type', 'text/event-stream']]),
      raw('data: {}\n\n'),
      delay(50),
      (wire) => wire.reset(),
    ])
    const client = await RawClient.connect(trusting.port)
    await client.send(chatBytes(openai, { streamed: true, version: 'HTTP/1.0' }))
    expect(await client.ended()).toBe('reset')
  })
})
