import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { DIALECTS, requestBytes } from '../../testkit/dialects.ts'
import { eventually } from '../../testkit/eventually.ts'
import { acceptKey, BINARY, CLOSE, closeFrame, frame, PING, PONG, readFrames, TEXT } from '../../testkit/frames.ts'
import type { Field } from '../../testkit/http-reader.ts'
import { headerOf, RawClient } from '../../testkit/raw-client.ts'
import { head, raw, type Step, type VendorRequest, type Wire } from '../../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, VENDOR_KEYS, vitals } from '../../testkit/services.ts'
import { relayRig } from '../rig.ts'

const MIB = 1024 * 1024
const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
const HANDSHAKE: readonly Field[] = [
  ['Connection', 'Upgrade'],
  ['Upgrade', 'websocket'],
  ['Sec-WebSocket-Version', '13'],
  ['Sec-WebSocket-Key', KEY],
]

describe('frames', () => {
  const rig = relayRig({ LOG_LEVEL: 'warn' })

  /** Opens a WebSocket; the vendor accepts and then does as it is told. */
  async function open(
    steps: (request: VendorRequest) => readonly Step[] = () => [],
    {
      target = '/proxy/openai/v1/realtime?model=m',
      headers = [DIALECTS.openai.credential] as readonly Field[],
      accept = [] as readonly Field[],
    } = {},
  ): Promise<{ client: RawClient; request: VendorRequest; wire: Wire }> {
    let wire: Wire | undefined
    rig.vendor.script = (request) => [
      head(101, [
        ['Connection', 'Upgrade'],
        ['Upgrade', 'websocket'],
        ['Sec-WebSocket-Accept', acceptKey(request.header('sec-websocket-key') ?? '')],
        ...accept,
      ]),
      (its) => {
        wire = its
      },
      ...steps(request),
    ]
    const client = await RawClient.connect(rig.relay.port)
    await client.send(requestBytes({ method: 'GET', target, headers: [...headers, ...HANDSHAKE] }))
    await client.until(() => client.responses.length > 0)
    const [answer] = client.responses
    expect(answer?.status, client.text).toBe(101)
    expect(answer && headerOf(answer, 'sec-websocket-accept')).toBe(acceptKey(KEY))
    await eventually('the tunnel', () => wire !== undefined)
    return { client, request: rig.vendor.requests.at(-1) as VendorRequest, wire: wire as Wire }
  }
  const received = (client: RawClient): Buffer => client.bytes.subarray(client.bytes.indexOf('\r\n\r\n') + 4)

  it('pass both ways as they are: texts, binaries, fragments, pings and pongs', async () => {
    const outgoing = [
      frame(TEXT, 'Grüße 你好', { masked: true }),
      frame(BINARY, Buffer.from([0, 255, 13, 10]), { masked: true }),
      frame(TEXT, 'a', { masked: true, fin: false }),
      frame(PING, 'still there?', { masked: true }),
      frame(0, 'b', { masked: true }),
      frame(PONG, 'x', { masked: true }),
      frame(TEXT, '', { masked: true }),
    ]
    const incoming = [
      frame(TEXT, 'hello', { fin: false }),
      frame(PING, 'p'),
      frame(0, ' there'),
      frame(BINARY, Buffer.alloc(70_000, 1)),
    ]
    const { client, request } = await open(() => [raw(Buffer.concat(incoming))])
    await client.send(Buffer.concat(outgoing))
    await eventually('all frames at the vendor', () => request.bodyBytes >= Buffer.concat(outgoing).length)
    expect(readFrames(request.body)).toEqual(readFrames(Buffer.concat(outgoing)))
    await client.until(() => received(client).length >= Buffer.concat(incoming).length)
    expect(received(client).equals(Buffer.concat(incoming))).toBe(true)
    client.destroy()
  })

  it('pass in bulk: 8 MiB each way at once', async () => {
    const down = frame(BINARY, Buffer.alloc(8 * MIB, 2))
    const up = frame(BINARY, Buffer.alloc(8 * MIB, 3), { masked: true })
    const { client, request } = await open(() => [raw(down)])
    void client.send(up)
    await client.until(() => received(client).length >= down.length, 10_000)
    await eventually('all at the vendor', () => request.bodyBytes >= up.length, 10_000)
    expect(received(client).equals(down)).toBe(true)
    expect(request.body.equals(up)).toBe(true)
    client.destroy()
  })

  it('carry close codes and reasons from the caller to the vendor', async () => {
    const { client, request, wire } = await open()
    await client.send(closeFrame(4001, 'no more', true))
    await eventually('the close frame', () => request.bodyBytes > 0)
    expect(readFrames(request.body)).toEqual(readFrames(closeFrame(4001, 'no more', true)))
    await wire.write(closeFrame(4001, 'no more'))
    wire.socket.end()
    expect(await client.ended(2000)).toBe('fin')
    expect(readFrames(received(client)).map(({ opcode }) => opcode)).toEqual([CLOSE])
  })

  it.each([1000, 1001, 1008, 1011, 1013, 4999])(
    'carry the close code %i from the vendor to the caller',
    async (code) => {
      const { client, wire } = await open()
      await wire.write(closeFrame(code, 'because'))
      await client.until(() => received(client).length >= closeFrame(code, 'because').length)
      expect(received(client).equals(closeFrame(code, 'because'))).toBe(true)
      await client.send(closeFrame(code, '', true))
      wire.socket.end()
      expect(await client.ended(2000)).not.toBe('open')
      client.destroy()
    },
  )

  it('break for the caller when they break at the vendor, without a close that nobody sent', async () => {
    const { client, wire } = await open(() => [raw(frame(TEXT, 'half a', { fin: false }))])
    await client.until(() => received(client).length > 0)
    wire.reset()
    expect(await client.ended(2000)).not.toBe('open')
    const normal = readFrames(received(client)).filter(
      ({ opcode, payload }) => opcode === CLOSE && payload.readUInt16BE(0) === 1000,
    )
    expect(normal).toEqual([])
  })

  it('end at the vendor within a second when the caller is gone', async () => {
    for (const leave of [
      (client: RawClient) => client.destroy(),
      (client: RawClient) => void client.socket.resetAndDestroy(),
    ]) {
      const { client, request } = await open()
      const left = performance.now()
      leave(client)
      const { at } = await request.closed
      expect(at - left).toBeLessThan(1000)
    }
  })

  it('hold a vendor back whose caller does not read', async () => {
    const piece = frame(BINARY, Buffer.alloc(64 * 1024, 4))
    let written = 0
    const before = vitals(rig.relay.pid).rssMiB
    const { client } = await open(() => [
      async (wire) => {
        while (written < 128 * MIB && !wire.request.closing) {
          await wire.write(piece)
          written += piece.length
        }
      },
    ])
    client.socket.pause()
    let last = -1
    await eventually(
      'a standstill',
      async () => {
        const still = written === last
        last = written
        await sleep(200)
        return still && written > 0
      },
      15_000,
    )
    expect(written).toBeLessThan(100 * MIB)
    expect(vitals(rig.relay.pid).rssMiB - before).toBeLessThan(48)
    client.destroy()
  })

  it('offer what the caller offered, but the credential', async () => {
    const { client, request } = await open(() => [], {
      headers: [
        ['Sec-WebSocket-Protocol', `realtime, openai-insecure-api-key.${RELAY_TOKEN}, openai-organization.org-1`],
        ['Sec-WebSocket-Extensions', 'permessage-deflate; client_max_window_bits'],
        ['Origin', 'https://app.example'],
        ['User-Agent', 'OpenAI/JS'],
        ['X-Forwarded-For', '192.0.2.1'],
      ],
      accept: [
        ['Sec-WebSocket-Protocol', 'realtime'],
        ['Sec-WebSocket-Extensions', 'permessage-deflate'],
      ],
    })
    expect(request.header('sec-websocket-extensions')).toBe('permessage-deflate; client_max_window_bits')
    expect(request.header('user-agent')).toBe('OpenAI/JS')
    expect(request.header('x-forwarded-for')).toBeUndefined()
    expect(request.text).toContain(VENDOR_KEYS.openai)
    expect(request.text).toContain('openai-organization.org-1')
    const [answer] = client.responses
    expect(answer && headerOf(answer, 'sec-websocket-protocol')).toBe('realtime')
    expect(answer && headerOf(answer, 'sec-websocket-extensions')).toBe('permessage-deflate')
    client.destroy()
  })

  it.each(['/proxy/gemini/ws/', '/proxy/gemini//ws/'])(
    "swap the key in the query of Gemini's Live: %s",
    async (start) => {
      const method = 'google.ai.generativelanguage.v1.GenerativeService.BidiGenerateContent'
      const { client, request } = await open(() => [], { target: `${start}${method}?key=${RELAY_TOKEN}`, headers: [] })
      expect(request.target.split('?')[0]).toBe(`/ws/${method}`)
      expect(request.text).toContain(VENDOR_KEYS.gemini)
      client.destroy()
    },
  )
})
