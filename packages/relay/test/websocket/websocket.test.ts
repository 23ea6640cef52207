import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { headerOf, RawClient, type RawResponse } from '../../../../test/testkit/raw-client.ts'
import { hang, head, raw, type Script, type Step } from '../../../../test/testkit/scripted-vendor.ts'
import { RELAY_TOKEN, VENDOR_KEYS } from '../../../../test/testkit/services.ts'
import { rig as relayRig, start } from '../rig.ts'

const SWITCH: Step = head(101, [
  ['Connection', 'Upgrade'],
  ['Upgrade', 'websocket'],
  ['Sec-WebSocket-Accept', 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='],
  ['x-request-id', 'req_vendor'],
])
const agree =
  (...steps: readonly Step[]): Script =>
  () => [SWITCH, ...steps]
const HI = Buffer.from([0x81, 2, 0x68, 0x69])
const CLOSE = (code: number): Buffer => Buffer.from([0x88, 2, code >> 8, code & 255])

interface Ask {
  readonly target?: string
  readonly token?: string
  readonly method?: string
  readonly more?: string
}

function upgrade({
  target = '/proxy/openai/v1/realtime?model=m',
  token = RELAY_TOKEN,
  method = 'GET',
  more = '',
}: Ask = {}): string {
  return [
    `${method} ${target} HTTP/1.1`,
    'Host: relay',
    'Connection: Upgrade',
    'Upgrade: WebSocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...(token === '' ? [] : [`Authorization: Bearer ${token}`]),
    `${more}\r\n`,
  ].join('\r\n')
}

async function open(port: number, ask: Ask = {}, after = ''): Promise<{ client: RawClient; answer: RawResponse }> {
  const client = await RawClient.connect(port)
  await client.send(upgrade(ask) + after)
  const [answer] = await client.answered()
  if (answer === undefined) throw new Error(`no answer (${client.ending})`)
  return { client, answer }
}

const codeOf = (answer: RawResponse): string | undefined => headerOf(answer, 'x-ferry-error')

describe('a WebSocket', () => {
  const rig = relayRig({ OPENAI_API_KEY: 'sk-first-0123456789abcdef,sk-second-0123456789abcdef' })

  it('sends the key in the vendor’s own place, and the 101 back with the request ids', async () => {
    rig.vendor.script = agree(hang())
    for (const [target, place] of [
      ['/proxy/gemini/ws/x.BidiGenerateContent?alt=a&key=TOKEN&b=c', 'key'],
      ['/proxy/gemini/ws/x.BidiGenerateContentConstrained?alt=a&access_token=TOKEN&b=c', 'access_token'],
      ['/proxy/gemini/ws/x.BidiGenerateContent?alt=a&%6bey=TOKEN&b=c', 'key, encoded'],
    ] as const) {
      rig.vendor.clear()
      const { client, answer } = await open(rig.port, { target: target.replace('TOKEN', RELAY_TOKEN), token: '' })
      expect(answer.status, place).toBe(101)
      expect(headerOf(answer, 'x-request-id')).toBe('req_vendor')
      expect(headerOf(answer, 'x-ferry-request-id')).toMatch(/^req_/)
      const request = rig.vendor.only
      expect(request.target).toMatch(/^\/ws\/x\.BidiGenerateContent(Constrained)?\?alt=a&b=c$/)
      expect(request.headerValues('x-goog-api-key')).toEqual([VENDOR_KEYS.gemini])
      expect(request.text).not.toContain(RELAY_TOKEN)
      client.destroy()
    }
  })

  it('sticks to one key of the pool', async () => {
    rig.vendor.script = agree(hang())
    for (let i = 0; i < 4; i++) (await open(rig.port)).client.destroy()
    expect(new Set(rig.vendor.requests.map((request) => request.header('authorization'))).size).toBe(1)
  })

  it('answers a subprotocol where one was offered and the vendor names none', async () => {
    rig.vendor.script = agree(hang())
    const more = `Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.${RELAY_TOKEN}\r\n`
    const { client, answer } = await open(rig.port, { token: '', more })
    expect(headerOf(answer, 'sec-websocket-protocol')).toBe('realtime')
    expect(rig.vendor.only.headerValues('sec-websocket-protocol')).toEqual(['realtime'])
    client.destroy()
  })

  it('brings what the caller said too early to the vendor once it has agreed', async () => {
    let agreed = (): void => {}
    const agreement = new Promise<void>((resolve) => {
      agreed = resolve
    })
    rig.vendor.script = () => [() => agreement, SWITCH, hang()]
    const client = await RawClient.connect(rig.port)
    await client.send(`${upgrade()}early `)
    const request = await rig.vendor.received()
    await client.send('and more')
    await sleep(100)
    expect(request.bodyBytes).toBe(0)
    agreed()
    await eventually('the bytes', () => request.body.toString() === 'early and more')
    client.destroy()
  })

  it("ends the vendor's handshake when the caller leaves before its answer", async () => {
    rig.vendor.script = () => [hang()]
    const client = await RawClient.connect(rig.port)
    await client.send(upgrade())
    const request = await rig.vendor.received()
    const left = performance.now()
    client.destroy()
    expect((await request.closed).at - left).toBeLessThan(1000)
    await eventually('an access line', () => rig.lines.at(-1)?.outcome === 'client_closed')
    expect(rig.lines.at(-1)).toMatchObject({ status: 499 })
  })

  it.each([
    ['a body', { more: 'Content-Length: 4\r\n' }, 'body'],
    ['chunks', { more: 'Transfer-Encoding: chunked\r\n' }, '0\r\n\r\n'],
    ['another method', { method: 'POST' }, ''],
  ] as const)('is refused with %s', async (_, ask, after) => {
    const { client, answer } = await open(rig.port, ask, after)
    expect({ status: answer.status, code: codeOf(answer) }).toEqual({ status: 400, code: 'invalid_request' })
    expect(headerOf(answer, 'connection')).toBe('close')
    expect(await client.ended()).toBe('fin')
    expect(rig.vendor.requests).toEqual([])
  })

  it("turns the vendor's refusal of our key into an error of ours, and rests the key", async () => {
    const body = '{"error":{"message":"Incorrect API key provided: sk-first","code":"invalid_api_key"}}'
    rig.vendor.script = () => [head(401, [['content-length', String(body.length)]]), raw(body)]
    const { answer } = await open(rig.port)
    expect({ status: answer.status, code: codeOf(answer) }).toEqual({ status: 502, code: 'vendor_key_rejected' })
    expect(answer.body.toString()).not.toContain('sk-first')
    const first = rig.vendor.only.header('authorization')
    rig.vendor.script = agree(hang())
    const { client } = await open(rig.port)
    expect(rig.vendor.requests[1]?.header('authorization')).not.toBe(first)
    client.destroy()
  })

  it.each([
    [
      'a redirect',
      [
        head(302, [
          ['location', 'wss://elsewhere.example/'],
          ['content-length', '0'],
        ]),
      ],
      502,
      'upstream_invalid',
    ],
    [
      'another protocol',
      [
        head(101, [
          ['connection', 'upgrade'],
          ['upgrade', 'h2c'],
        ]),
      ],
      502,
      'upstream_invalid',
    ],
    ['no HTTP', [raw('SSH-2.0-OpenSSH\r\n')], 502, 'upstream_invalid'],
    ['the end', [(wire: { reset(): void }) => wire.reset()], 502, 'upstream_truncated'],
  ] as const)('is refused when the vendor answers with %s', async (_, steps, status, code) => {
    rig.vendor.script = () => steps as readonly Step[]
    const { answer } = await open(rig.port)
    expect({ status: answer.status, code: codeOf(answer) }).toEqual({ status, code })
  })

  it('is logged and counted, without its query', async () => {
    rig.vendor.script = agree(
      raw(HI),
      async () => void (await sleep(50)),
      raw(CLOSE(1011)),
      (wire) => void wire.socket.end(),
    )
    const { client } = await open(rig.port)
    await client.ended()
    client.end()
    await eventually('an access line', () => rig.lines.some(({ status }) => status === 101))
    expect(rig.lines.at(-1)).toMatchObject({
      tokenName: 'app',
      vendor: 'openai',
      path: '/v1/realtime',
      status: 101,
      outcome: 'completed',
      bytesIn: 0,
      bytesOut: 8,
      vendorRequestId: 'req_vendor',
    })
    const metrics = await rig.metrics()
    expect(metrics).toContain('http_requests_total{vendor="openai",method="GET",status="101"} 1')
    expect(metrics).toContain('relay_websockets_open{vendor="openai"} 0')
    expect(metrics).toContain('relay_websocket_bytes_total{vendor="openai",direction="out"} 8')
    expect(metrics).toContain('relay_websocket_closes_total{vendor="openai",code="1011"} 1')
    expect(metrics).toContain('relay_websocket_seconds_count{vendor="openai"} 1')
  })

  it('says 1001 to the caller when the drain is over, and ends the vendor’s side', async () => {
    const { vendor, relay, port, stop } = await start({ DRAIN_TIMEOUT_MS: '200' })
    vendor.script = agree(raw(HI), hang())
    const { client } = await open(port)
    await client.until(() => client.bytes.includes(HI))
    const stopping = relay.stop()
    const late = await open(port)
    expect({ status: late.answer.status, code: codeOf(late.answer) }).toEqual({ status: 503, code: 'draining' })
    await client.until(() => client.bytes.includes(CLOSE(1001)))
    expect(client.bytes.subarray(-4)).toEqual(CLOSE(1001))
    expect(await client.ended()).toBe('fin')
    await vendor.requests[0]?.closed
    await stopping
    await stop()
  })

  // Between the halves of a frame, a Close frame would be read as its payload.
  it('waits for the end of a frame before it says so, and only for a moment', async () => {
    for (const [rest, last] of [
      ['ijk', Buffer.concat([Buffer.from('hijk'), CLOSE(1001)])],
      ['', Buffer.from('h')],
    ] as const) {
      const { vendor, relay, port, stop } = await start({ DRAIN_TIMEOUT_MS: '50' })
      vendor.script = agree(raw(Buffer.from([0x81, 4, 0x68])), async () => void (await sleep(300)), raw(rest), hang())
      const { client } = await open(port)
      await relay.stop()
      expect(await client.ended()).not.toBe('open')
      expect(client.bytes.subarray(-last.length)).toEqual(last)
      await stop()
    }
  })
})

describe('limits of WebSockets', () => {
  const rig = relayRig({
    RELAY_TOKENS: `app:${RELAY_TOKEN},other:other-token-0123456789abcdef`,
    MAX_WEBSOCKETS: '3',
    MAX_WEBSOCKETS_PER_TOKEN: '2',
    WEBSOCKET_HANDSHAKE_TIMEOUT_MS: '300',
    WEBSOCKET_IDLE_TIMEOUT_MS: '400',
    DRAIN_TIMEOUT_MS: '50',
  })

  it('bound how many are open for a token and for all, and a closed one makes room', async () => {
    const ping: Step = async (wire) => {
      for (; !wire.request.closing; await sleep(100)) await wire.write(Buffer.from([0x89, 0]))
    }
    rig.vendor.script = agree(ping)
    const other = { token: 'other-token-0123456789abcdef' }
    const first = await open(rig.port)
    await open(rig.port)
    const third = await open(rig.port)
    expect({ status: third.answer.status, code: codeOf(third.answer) }).toEqual({
      status: 429,
      code: 'rate_limit_exceeded',
    })
    expect((await open(rig.port, other)).answer.status).toBe(101)
    const fifth = await open(rig.port, other)
    expect({ status: fifth.answer.status, code: codeOf(fifth.answer) }).toEqual({ status: 503, code: 'overloaded' })
    expect(headerOf(fifth.answer, 'x-ferry-reached')).toBe('no')
    first.client.destroy()
    await eventually('room', async () => {
      const { client, answer } = await open(rig.port, other)
      if (answer.status !== 101) client.destroy()
      return answer.status === 101
    })
  })

  it('bound the handshake', async () => {
    rig.vendor.script = () => [hang()]
    const { answer } = await open(rig.port)
    expect({ status: answer.status, code: codeOf(answer) }).toEqual({ status: 504, code: 'upstream_timeout' })
    await rig.vendor.requests[0]?.closed
  })

  it('bound the silence: the caller is told 1001, the vendor’s side ends', async () => {
    rig.vendor.script = agree(hang())
    const { client } = await open(rig.port)
    const opened = performance.now()
    await client.until(() => client.bytes.includes(CLOSE(1001)))
    expect(performance.now() - opened).toBeGreaterThan(300)
    await client.ended()
    await rig.vendor.only.closed
    await eventually('an access line', () => rig.lines.at(-1)?.outcome === 'idle')
  })

  it('bound how long a caller may leave bytes unread, and memory meanwhile', async () => {
    let sent = 0
    const piece = Buffer.concat([Buffer.from([0x82, 126, 0xff, 0xfc]), Buffer.alloc(0xfffc)])
    rig.vendor.script = agree(async (wire) => {
      for (; !wire.request.closing && sent < 64e6; sent += piece.length) await wire.write(piece)
    })
    const socket = connect(rig.port, '127.0.0.1', () => socket.write(upgrade()))
    socket.on('error', () => {})
    socket.pause()
    const request = await rig.vendor.received()
    await request.closed
    expect(sent).toBeLessThan(40e6)
    await eventually('an access line', () => rig.lines.at(-1)?.outcome === 'client_stalled')
    socket.destroy()
  })
})

describe('a WebSocket through a proxy', () => {
  it('goes through CONNECT', async () => {
    const asked: (string | undefined)[] = []
    const proxy = createHttpServer()
    proxy.on('connect', (request, socket, early) => {
      asked.push(request.url)
      const onward = connect(Number(request.url?.split(':')[1]), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        onward.write(early)
        socket.pipe(onward).pipe(socket)
      })
      onward.on('error', () => socket.destroy())
      socket.on('error', () => onward.destroy())
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const HTTP_PROXY = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    const inner = await start({})
    const { port } = inner.vendor
    const { vendor, ...relay } = await start({ HTTP_PROXY, OPENAI_UPSTREAM: `http://vendor.test:${port}` })
    inner.vendor.script = agree(raw(HI), hang())
    const { client, answer } = await open(relay.port)
    expect(answer.status).toBe(101)
    expect(await client.until(() => client.bytes.includes(HI))).toBe(true)
    expect(asked).toEqual([`vendor.test:${port}`])
    client.destroy()
    await inner.vendor.only.closed
    await Promise.all([relay.stop(), inner.stop()])
    proxy.close()
    void vendor
  })
})
