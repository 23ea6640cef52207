import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { afterBody, chunk, flood, hang, head, lastChunk, raw, reset } from '../../../../test/testkit/scripted-vendor.ts'
import { RELAY_TOKEN, VENDOR_KEYS } from '../../../../test/testkit/services.ts'
import { tlsRig } from '../tls/rig.ts'

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Buffer
  readonly trailers: Readonly<Record<string, unknown>>
  /** Code of the reset; 0 for a stream that ended. */
  readonly code: number
  /** Whether END_STREAM came. */
  readonly ended: boolean
}

const POST: OutgoingHttpHeaders = {
  ':method': 'POST',
  ':path': '/proxy/openai/v1/chat/completions',
  authorization: `Bearer ${RELAY_TOKEN}`,
  'content-type': 'application/json',
}
const GET: OutgoingHttpHeaders = { ...POST, ':method': 'GET', ':path': '/proxy/openai/v1/models' }
const SSE: readonly (readonly [string, string])[] = [
  ['content-type', 'text/event-stream'],
  ['transfer-encoding', 'chunked'],
]

function answer(stream: ClientHttp2Stream): Promise<Answer> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = []
    const seen = { status: 0, headers: {}, trailers: {}, ended: false }
    stream.on('response', (headers) => Object.assign(seen, { status: headers[':status'], headers }))
    stream.on('trailers', (trailers) => Object.assign(seen, { trailers }))
    stream.on('data', (piece: Buffer) => pieces.push(piece))
    stream.on('error', () => {})
    stream.on('end', () => Object.assign(seen, { ended: stream.rstCode === 0 }))
    stream.on('close', () => resolve({ ...seen, body: Buffer.concat(pieces), code: stream.rstCode }))
  })
}

describe('HTTP/2 from the caller', () => {
  const tls = tlsRig({ STREAM_IDLE_TIMEOUT_MS: '3000' })
  let session: ClientHttp2Session
  beforeEach(() => {
    session = connect(`https://localhost:${tls.rig.port}`, { ca: tls.ca })
    session.on('error', () => {})
  })
  afterEach(() => session.destroy())

  const ask = (headers: OutgoingHttpHeaders, body?: string | Buffer): Promise<Answer> => {
    const stream = session.request(headers, { endStream: body === undefined })
    if (body !== undefined) stream.end(body)
    return answer(stream)
  }

  it('carries a request and its answer, with the headers of HTTP/1.1 on the way to the vendor', async () => {
    tls.rig.vendor.script = afterBody(() => [
      head(201, [
        ['Content-Length', '11'],
        ['X-Request-Id', 'req_vendor'],
        ['Vary', 'a'],
        ['Vary', 'b'],
        ['Keep-Alive', 'timeout=5'],
      ]),
      raw('{"ok":true}'),
    ])
    const { status, headers, body, ended } = await ask({ ...POST, 'x-custom': 'ü' }, '{"a":1}')
    expect({ status, body: body.toString(), ended }).toEqual({ status: 201, body: '{"ok":true}', ended: true })
    expect(headers).toMatchObject({ 'x-request-id': 'req_vendor', vary: 'a, b' })
    expect(headers['keep-alive']).toBeUndefined()
    const request = tls.rig.vendor.only
    expect(request.body.toString()).toBe('{"a":1}')
    expect(request.header('authorization')).toBe(`Bearer ${VENDOR_KEYS.openai}`)
    expect(request.header('x-custom')).toBe('ü')
    expect(request.text).not.toMatch(/^:|\n:/m)
    expect(request.headerValues('host')).toEqual([`127.0.0.1:${tls.rig.vendor.port}`])
  })

  it('serves many streams of one connection at once', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(GET)))
    expect(answers.every(({ status, ended }) => status === 200 && ended)).toBe(true)
  })

  it('passes events on as they come, and trailers at the end', async () => {
    tls.rig.vendor.script = afterBody(() => [
      head(200, [...SSE, ['trailer', 'x-sum']]),
      chunk('data: 1\n\n'),
      async () => void (await sleep(150)),
      chunk('data: 2\n\n'),
      lastChunk([['x-sum', '2']]),
    ])
    const stream = session.request(POST)
    stream.end('{}')
    const first = new Promise((resolve) => stream.once('data', () => resolve(performance.now())))
    const whole = await answer(stream)
    expect(performance.now() - Number(await first)).toBeGreaterThan(100)
    expect(whole.body.toString()).toBe('data: 1\n\ndata: 2\n\n')
    expect(whole.trailers).toMatchObject({ 'x-sum': '2' })
  })

  it('answers HEAD and 204 without a body', async () => {
    tls.rig.vendor.script = afterBody(({ method }) =>
      method === 'HEAD' ? [head(200, [['content-length', '7']])] : [head(204, [])],
    )
    expect(await ask({ ...GET, ':method': 'HEAD' })).toMatchObject({ status: 200, ended: true })
    expect(await ask(GET)).toMatchObject({ status: 204, ended: true })
  })

  // RFC 9113, 8.1: END_STREAM is what says that an answer is whole.
  it.each([
    ['with a length', [['content-length', '100']]],
    ['in chunks', [['transfer-encoding', 'chunked']]],
    ['up to the close', []],
  ] as const)('resets the stream when an answer %s breaks off', async (_, framing) => {
    tls.rig.vendor.script = afterBody(() => [
      head(200, [['content-type', 'application/json'], ...framing]),
      'length' in framing && framing[0]?.[0] === 'transfer-encoding' ? chunk('{"half":') : raw('{"half":'),
      async () => void (await sleep(100)),
      reset(),
    ])
    const { status, ended, code } = await ask(POST, '{}')
    expect({ status, ended, code }).toEqual({ status: 200, ended: false, code: constants.NGHTTP2_INTERNAL_ERROR })
  })

  it("breaks a stream of events off with the vendor's own error event and a reset", async () => {
    tls.rig.vendor.script = afterBody(() => [
      head(200, SSE),
      chunk('data: 1\n\n'),
      async () => void (await sleep(100)),
      reset(),
    ])
    const { body, code, ended } = await ask(POST, '{}')
    expect(body.toString()).toMatch(/^data: 1\n\ndata: \{"error".*upstream_truncated/s)
    expect({ code, ended }).toEqual({ code: constants.NGHTTP2_INTERNAL_ERROR, ended: false })
  })

  it("ends the vendor's call when the caller resets its stream, and leaves the others alone", async () => {
    tls.rig.vendor.script = afterBody(() => [head(200, SSE), chunk('data: 1\n\n'), hang()])
    const [left, stays] = [session.request(POST), session.request(POST)]
    left.end('{}')
    stays.end('{}')
    await Promise.all([left, stays].map((stream) => new Promise((resolve) => stream.once('data', resolve))))
    const resetAt = performance.now()
    left.on('error', () => {})
    left.close(constants.NGHTTP2_CANCEL)
    await eventually('one vendor call ends', () => tls.rig.vendor.requests.some(({ closing }) => closing !== undefined))
    expect(performance.now() - resetAt).toBeLessThan(1000)
    await sleep(100)
    expect(tls.rig.vendor.requests.filter(({ closing }) => closing === undefined)).toHaveLength(1)
    await eventually('an access line', () => tls.rig.lines.some(({ outcome }) => outcome === 'client_closed'))
  })

  // Node's own request class ends in good order here: the vendor would get half an upload as a whole one.
  it.each([
    ['stream', (stream: ClientHttp2Stream): unknown => stream.destroy(new Error('left'))],
    ['connection', (): unknown => session.destroy()],
  ])('never makes half an upload look whole when the %s breaks', async (_, leave) => {
    tls.rig.vendor.script = () => [hang()]
    const stream = session.request({
      ...POST,
      ':path': '/proxy/openai/v1/files',
      'content-type': 'multipart/form-data; boundary=x',
    })
    stream.on('error', () => {})
    stream.write('--x\r\nhalf')
    const request = await tls.rig.vendor.received()
    await eventually('half of it', () => request.bodyBytes > 0)
    leave(stream)
    await request.closed
    expect(request.isComplete).toBe(false)
  })

  it('passes an upload without a length on as it comes', async () => {
    const stream = session.request({
      ...POST,
      ':path': '/proxy/openai/v1/files',
      'content-type': 'multipart/form-data; boundary=x',
    })
    stream.write('a'.repeat(100_000))
    setTimeout(() => stream.end('b'.repeat(100_000)), 50)
    expect(await answer(stream)).toMatchObject({ status: 200, ended: true })
    expect(tls.rig.vendor.only.bodyBytes).toBe(200_000)
  })

  it('refuses in the shape of the vendor', async () => {
    const { status, headers, body } = await ask({ ...POST, authorization: 'Bearer stranger-0123456789abcdef' }, '{}')
    expect(status).toBe(401)
    expect(headers).toMatchObject({ 'x-ferry-error': 'authentication_failed', 'x-ferry-reached': 'no' })
    expect(JSON.parse(body.toString()).error.code).toBe('authentication_failed')
  })

  it('refuses a body over the limit that does not say its length', async () => {
    const { status, headers } = await ask(POST, Buffer.alloc(11 * 1024 * 1024, ' '))
    expect({ status, code: headers['x-ferry-error'] }).toEqual({ status: 413, code: 'request_too_large' })
    expect(tls.rig.vendor.requests).toEqual([])
  })

  it('asks for a body where the caller waits to be asked', async () => {
    const stream = session.request({ ...POST, expect: '100-continue' })
    stream.once('continue', () => stream.end('{"a":1}'))
    expect(await answer(stream)).toMatchObject({ status: 200, ended: true })
    expect(tls.rig.vendor.only.body.toString()).toBe('{"a":1}')
  })

  it('stops a caller that goes on sending after its refusal', async () => {
    const stream = session.request({ ...POST, authorization: 'Bearer stranger-0123456789abcdef' })
    const sending = setInterval(() => stream.writable && stream.write('x'.repeat(1000)), 20)
    const { status, ended, code } = await answer(stream)
    clearInterval(sending)
    expect({ status, ended, code }).toEqual({ status: 401, ended: true, code: constants.NGHTTP2_NO_ERROR })
  })

  // RFC 9113, 8.2.2: a message with headers about the connection is malformed. Downgrade smuggling (2021) begins here.
  it.each(['transfer-encoding', 'connection', 'upgrade', 'keep-alive'])('takes no %s header', async (name) => {
    const stream = (() => {
      try {
        return session.request({ ...POST, [name]: 'chunked' })
      } catch {
        return undefined
      }
    })()
    stream?.end('0\r\n\r\nGET /v1/hidden HTTP/1.1\r\n\r\n')
    if (stream !== undefined) await answer(stream)
    expect(tls.rig.vendor.requests).toEqual([])
  })

  it('does not tunnel', async () => {
    const { status } = await ask({ ':method': 'CONNECT', ':authority': 'example.com:443' })
    expect([404, 405, 400]).toContain(status)
    expect(tls.rig.vendor.requests).toEqual([])
  })

  it('takes one host only', async () => {
    const { status } = await ask({ ...GET, ':authority': 'a.example', host: 'b.example' })
    expect(status).toBe(400)
  })

  it('holds a vendor back whose caller does not read, and cuts the caller in the end', async () => {
    const total = 256 * 1024 * 1024
    let sent = 0
    tls.rig.vendor.script = afterBody(() => [
      head(200, [['content-length', String(total)]]),
      async (wire) => {
        for (; sent < total && !wire.request.closing; sent += 65_536) await flood(65_536)(wire)
      },
    ])
    const stream = session.request(GET)
    stream.on('error', () => {})
    await new Promise((resolve) => stream.once('response', resolve))
    stream.pause()
    await sleep(1000)
    expect(sent).toBeLessThan(64 * 1024 * 1024)
    await eventually('the cut', () => stream.closed, 8000)
    expect(tls.rig.lines.at(-1)).toMatchObject({ outcome: 'client_stalled' })
  })

  it('says how much it takes before it must be read', async () => {
    await ask(GET)
    expect(session.remoteSettings.initialWindowSize).toBe(16 * 1024 * 1024)
    expect(session.remoteSettings.enableConnectProtocol).toBeFalsy()
    await eventually('the window of the session', () => (session.state.remoteWindowSize ?? 0) > 15 * 1024 * 1024)
  })

  it('drains: running streams end, the session takes no new ones', async () => {
    tls.rig.vendor.script = afterBody(() => [
      head(200, SSE),
      chunk('data: 1\n\n'),
      async () => void (await sleep(300)),
      chunk('data: [DONE]\n\n'),
      lastChunk(),
    ])
    const stream = session.request(POST)
    stream.end('{}')
    const whole = answer(stream)
    await new Promise((resolve) => stream.once('data', resolve))
    const away = new Promise((resolve) => session.once('goaway', resolve))
    const stopped = tls.rig.relay.stop()
    await away
    expect(await whole).toMatchObject({ ended: true })
    await stopped
  })
})
