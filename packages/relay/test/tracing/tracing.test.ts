import { execFileSync } from 'node:child_process'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { afterBody, chunk, head, raw, reset, ScriptedVendor } from '../../../../test/testkit/scripted-vendor.ts'
import { RELAY_TOKEN, relayEnv, type Service, startRelay, VENDOR_KEYS } from '../../../../test/testkit/services.ts'
import { readRelayConfig } from '../../src/config.ts'

interface WireSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly { key: string; value: Record<string, unknown> }[]
  readonly events?: readonly { name: string }[]
  readonly status?: { code?: number }
}

/** A receiver of OTLP over HTTP with JSON, as collectors have one. */
class Receiver {
  readonly spans: WireSpan[] = []
  readonly texts: string[] = []
  readonly requests: { url: string | undefined; auth: string | undefined }[] = []
  status = 200
  readonly #server: Server

  static async start(): Promise<Receiver> {
    const receiver = new Receiver()
    await new Promise<void>((resolve) => receiver.#server.listen(0, '127.0.0.1', resolve))
    return receiver
  }

  private constructor() {
    this.#server = createServer(async (request, response) => {
      let text = ''
      for await (const piece of request.setEncoding('utf8')) text += piece
      this.requests.push({ url: request.url, auth: request.headers['x-collector-key']?.toString() })
      this.texts.push(text)
      response.writeHead(this.status, { 'content-type': 'application/json' }).end('{}')
      if (this.status !== 200) return
      const { resourceSpans = [] } = JSON.parse(text)
      for (const { scopeSpans } of resourceSpans) for (const { spans } of scopeSpans) this.spans.push(...spans)
    })
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async pair(): Promise<{ server: WireSpan; call: WireSpan }> {
    await eventually('two spans', () => this.spans.length >= 2, 8000)
    const [server, call] = [2, 3].map((kind) => this.spans.find((span) => span.kind === kind))
    if (server === undefined || call === undefined) throw new Error(JSON.stringify(this.spans))
    return { server, call }
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

const attributes = (span: WireSpan): Record<string, unknown> =>
  Object.fromEntries(span.attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
const nanos = ({ startTimeUnixNano, endTimeUnixNano }: WireSpan): [bigint, bigint] => [
  BigInt(startTimeUnixNano),
  BigInt(endTimeUnixNano),
]

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'
const OK = afterBody(() => [
  head(200, [
    ['content-length', '2'],
    ['x-request-id', 'req_vendor'],
  ]),
  raw('{}'),
])

describe('tracing', () => {
  let vendor: ScriptedVendor
  let receiver: Receiver
  let relay: Service
  beforeAll(async () => {
    vendor = await ScriptedVendor.start()
    receiver = await Receiver.start()
    relay = await startRelay(
      relayEnv(vendor.origin, {
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
        OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=a%20secret',
      }),
    )
  })
  beforeEach(() => {
    vendor.clear()
    vendor.script = OK
    receiver.spans.length = 0
  })
  afterEach(() => {
    const texts = receiver.texts.join()
    for (const secret of [RELAY_TOKEN, ...Object.values(VENDOR_KEYS), 'Say hello', 'hidden']) {
      expect(texts).not.toContain(secret)
    }
  })
  afterAll(async () => {
    await relay.stop()
    await vendor.stop()
    receiver.stop()
  })

  const chat = (headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${relay.origin}/proxy/openai/v1/chat/completions?x=hidden`, {
      method: 'POST',
      headers: { authorization: `Bearer ${RELAY_TOKEN}`, 'content-type': 'application/json', ...headers },
      body: '{"model":"gpt","messages":[{"role":"user","content":"Say hello"}]}',
    })

  it('makes a span of the request and one of the call, by the conventions', async () => {
    await (await chat()).text()
    const { server, call } = await receiver.pair()
    expect(receiver.requests[0]).toEqual({ url: '/v1/traces', auth: 'a secret' })
    expect(server).toMatchObject({ name: 'POST /proxy/openai' })
    expect(server.parentSpanId || undefined).toBeUndefined()
    expect(attributes(server)).toMatchObject({
      'http.request.method': 'POST',
      'http.route': '/proxy/{vendor}/{path}',
      'http.response.status_code': 200,
      'ferry.token': 'app',
      'ferry.outcome': 'completed',
    })
    expect(call).toMatchObject({ name: 'chat', traceId: server.traceId, parentSpanId: server.spanId })
    expect(attributes(call)).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'server.address': '127.0.0.1',
      'server.port': vendor.port,
      'http.response.status_code': 200,
      'ferry.key': 'openai-1',
      'ferry.vendor_request_id': 'req_vendor',
    })
    expect(call.events?.map(({ name }) => name)).toEqual(['first_byte'])
    const [[from, to], [callFrom, callTo]] = [nanos(server), nanos(call)]
    expect(from <= callFrom && callFrom < callTo && callTo <= to).toBe(true)
    expect(Math.abs(Number(to / 1_000_000n) - Date.now())).toBeLessThan(10_000)
    expect(vendor.only.header('traceparent')).toBeUndefined()
  })

  it("takes the caller's traceparent for parent, and passes that on and no other", async () => {
    await (await chat({ traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: 'a=b' })).text()
    const { server } = await receiver.pair()
    expect(server).toMatchObject({ traceId: TRACE, parentSpanId: PARENT })
    expect(vendor.only.headerValues('traceparent')).toEqual([`00-${TRACE}-${PARENT}-01`])
    expect(vendor.only.headerValues('tracestate')).toEqual(['a=b'])
  })

  it('records nothing where the caller does not, and nothing of strangers and probes', async () => {
    await (await chat({ traceparent: `00-${TRACE}-${PARENT}-00` })).text()
    await (await chat({ authorization: 'Bearer stranger-0123456789abcdef' })).text()
    await (await fetch(`${relay.origin}/health`)).text()
    await (
      await fetch(`${relay.origin}/proxy/gemini/v1beta/models/gemini-3:generateContent`, {
        method: 'POST',
        headers: { 'x-goog-api-key': RELAY_TOKEN },
        body: '{}',
      })
    ).text()
    const { call } = await receiver.pair()
    expect(receiver.spans).toHaveLength(2)
    expect(call.name).toBe('generate_content gemini-3')
    expect(attributes(call)).toMatchObject({
      'gen_ai.provider.name': 'gcp.gemini',
      'gen_ai.request.model': 'gemini-3',
    })
  })

  it.each([
    ['an error of the vendor', afterBody(() => [head(429, [['content-length', '0']])]), '429', 429],
    [
      'a break',
      afterBody(() => [head(200, [['transfer-encoding', 'chunked']]), chunk('a'), reset()]),
      'upstream_truncated',
      200,
    ],
  ])('says why a call failed: %s', async (_, script, type, status) => {
    vendor.script = script
    await (await chat()).text().catch(() => {})
    const { call } = await receiver.pair()
    expect(attributes(call)).toMatchObject({ 'error.type': type, 'http.response.status_code': status })
    expect(call.status?.code).toBe(2)
  })

  it('serves on when the receiver fails, and says so once it knows', async () => {
    receiver.status = 400
    await (await chat()).text()
    await eventually('the warning', () => relay.log().includes('spans_not_sent'), 8000)
    receiver.status = 200
    expect((await chat()).status).toBe(200)
    expect(relay.log()).not.toContain('a secret')
  })

  it('sends what waits before it ends', async () => {
    await (await chat()).text()
    relay.signal('SIGTERM')
    expect(await relay.exited).toEqual({ code: 0, signal: null })
    expect(receiver.spans.length).toBeGreaterThanOrEqual(2)
  })
})

describe('without a receiver', () => {
  it.each([
    // The metrics library loads the API's few kilobytes in any case.
    ['nothing of OpenTelemetry is loaded', {}, false],
    ['which is what loads it', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' }, true],
  ] as const)('%s', (_, more, isLoaded) => {
    const script = `
      const { registerHooks } = await import('node:module')
      const seen = []
      registerHooks({ resolve: (name, context, next) => (seen.push(name), next(name, context)) })
      await import('./packages/relay/src/main.ts')
      console.log('loaded:' + seen.some((name) => /^@opentelemetry.(sdk|exporter|core|resources)/.test(name)))
      process.exit(0)`
    const ports = { HOST: '127.0.0.1', PORT: '0', METRICS_PORT: '0' }
    const said = execFileSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', '--conditions=ferry-source', '--input-type=module', '-e', script],
      { env: { ...relayEnv('http://127.0.0.1:9'), PATH: process.env.PATH, ...ports, ...more }, encoding: 'utf8' },
    )
    expect(said).toContain(`loaded:${isLoaded}`)
  })

  it('variables that cannot be used are named', () => {
    const read = (env: Record<string, string>): unknown =>
      readRelayConfig({ ...relayEnv('http://127.0.0.1:9'), OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318/base/', ...env })
        .tracing
    expect(read({ OTEL_TRACES_SAMPLER_ARG: '0.25' })).toMatchObject({ ratio: 0.25, serviceName: 'llm-ferry-relay' })
    expect(() => read({ OTEL_TRACES_SAMPLER_ARG: '2' })).toThrow('OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1')
    expect(() => read({ OTEL_EXPORTER_OTLP_HEADERS: 'broken' })).toThrow(
      /OTEL_EXPORTER_OTLP_HEADERS must be name=value/,
    )
    expect(() => read({ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector' })).toThrow(
      /OTEL_EXPORTER_OTLP_ENDPOINT must be a URL/,
    )
  })
})
