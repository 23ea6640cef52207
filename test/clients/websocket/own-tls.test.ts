import { setTimeout as sleep } from 'node:timers/promises'
import { GoogleGenAI, Modality } from '@google/genai'
import { OpenAIRealtimeWebSocket } from 'openai/realtime/websocket'
import { OpenAIRealtimeWS } from 'openai/realtime/ws'
import { ResponsesWS } from 'openai/resources/responses/ws'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '../../testkit/eventually.ts'
import { hang, head, raw, type Step } from '../../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, VENDOR_KEYS } from '../../testkit/services.ts'
import { clientFrame, closeFrame, frame, session, startTlsRelay, type TlsRelay } from './rig.ts'

const CREATED = raw(frame(1, '{"type":"session.created","event_id":"e1","session":{"type":"realtime"}}'))
const CLOSE = 8
const PING = 9
const PONG = 10

describe('SDKs over the relay’s own TLS, to a vendor over TLS', () => {
  let rig: TlsRelay
  beforeAll(async () => {
    rig = await startTlsRelay()
  })
  beforeEach(() => rig.vendor.clear())
  afterAll(async () => {
    for (const secret of [RELAY_TOKEN, ...Object.values(VENDOR_KEYS)]) expect(rig.lines.join()).not.toContain(secret)
    await rig.stop()
  })

  interface Closed {
    readonly code: number
    readonly reason: string
  }
  const closedWs = ({ socket }: OpenAIRealtimeWS): Promise<Closed> =>
    new Promise((resolve) => {
      socket.on('close', (code: number, reason: Buffer) => resolve({ code, reason: reason.toString() }))
    })
  const closedNative = ({ socket }: OpenAIRealtimeWebSocket): Promise<Closed> =>
    new Promise((resolve) => {
      socket.addEventListener('close', ({ code, reason }) => resolve({ code, reason }))
    })
  const opened = (realtime: OpenAIRealtimeWS | OpenAIRealtimeWebSocket): Promise<void> =>
    new Promise((resolve, reject) => {
      realtime.on('error', reject)
      realtime.on('session.created', () => resolve())
    })

  const clients = {
    OpenAIRealtimeWS(key?: string) {
      const client = new OpenAIRealtimeWS({ model: 'gpt-realtime' }, rig.openai(key))
      client.on('error', () => {})
      return { client, closed: closedWs(client) }
    },
    OpenAIRealtimeWebSocket(key?: string) {
      const client = new OpenAIRealtimeWebSocket(
        { model: 'gpt-realtime', dangerouslyAllowBrowser: true },
        rig.openai(key),
      )
      client.on('error', () => {})
      return { client, closed: closedNative(client) }
    },
  }

  describe.each(Object.entries(clients))('%s', (_, make) => {
    it('hears why the vendor closes', async () => {
      rig.vendor.script = session(CREATED, raw(closeFrame(4123, 'the hour is over')), (wire) => void wire.socket.end())
      const { closed } = make()
      expect(await closed).toEqual({ code: 4123, reason: 'the hour is over' })
    })

    it('tells the vendor why it closes', async () => {
      const reply: Step = async ({ request, socket, write }) => {
        await eventually('the close', () => clientFrame(request.body, CLOSE) !== undefined)
        await write(closeFrame(4001, 'enough'))
        socket.end()
      }
      rig.vendor.script = session(CREATED, reply)
      const { client, closed } = make()
      await opened(client)
      client.close({ code: 4001, reason: 'enough' })
      const request = rig.vendor.only
      expect((await closed).code).toBe(4001)
      const payload = clientFrame(request.body, CLOSE) as Buffer
      expect({ code: payload.readUInt16BE(0), reason: payload.subarray(2).toString() }).toEqual({
        code: 4001,
        reason: 'enough',
      })
      await request.closed
    })

    it('answers the vendor’s pings', async () => {
      rig.vendor.script = session(CREATED, raw(frame(PING, 'are you there')), hang())
      const { client } = make()
      const request = await rig.vendor.received()
      await eventually('the pong', () => clientFrame(request.body, PONG)?.toString() === 'are you there')
      client.close()
    })

    it('hears of a break as of a break', async () => {
      rig.vendor.script = session(CREATED, (wire) => wire.reset())
      const { closed } = make()
      expect((await closed).code).toBe(1006)
    })

    it('is refused with a wrong token, before the vendor hears of it', async () => {
      const { client, closed } = make('stranger-0123456789abcdef')
      await expect(opened(client)).rejects.toThrow()
      expect((await closed).code).toBe(1006)
      expect(rig.vendor.requests).toEqual([])
    })

    it('is refused where the vendor refuses', async () => {
      rig.vendor.script = () => [head(404, [['content-length', '2']]), raw('{}')]
      const { client } = make()
      await expect(opened(client)).rejects.toThrow()
      expect(rig.vendor.only.header('authorization')).toBe(`Bearer ${VENDOR_KEYS.openai}`)
    })
  })

  it('OpenAIRealtimeWS: a slow reader holds the vendor back and loses nothing', async () => {
    const pieces = 400
    const delta = JSON.stringify({ type: 'response.output_audio.delta', delta: 'x'.repeat(60_000) })
    let sent = 0
    const flood: Step = async (wire) => {
      for (; sent < pieces; sent++) await wire.write(frame(1, delta))
    }
    rig.vendor.script = session(CREATED, flood, hang())
    const { client } = clients.OpenAIRealtimeWS()
    await opened(client)
    client.socket.pause()
    await sleep(700)
    expect(sent).toBeLessThan(pieces * 0.8)
    let heard = 0
    client.on('response.output_audio.delta', () => {
      heard += 1
    })
    client.socket.resume()
    await eventually('all of it', () => heard >= pieces, 15_000)
    expect(heard).toBeLessThanOrEqual(pieces)
    client.close()
  })

  it('ResponsesWS: swaps the key and keeps what goes through', async () => {
    rig.vendor.script = session(raw(frame(1, '{"type":"response.completed","response":{"id":"resp_1"}}')), hang())
    const responses = new ResponsesWS(rig.openai())
    const completed = new Promise<string>((resolve, reject) => {
      responses.on('error', reject)
      responses.on('response.completed', ({ response }) => resolve(response.id))
    })
    responses.send({ type: 'response.create', model: 'gpt-4o', input: 'Grüße' } as Parameters<typeof responses.send>[0])
    expect(await completed).toBe('resp_1')
    const request = rig.vendor.only
    await eventually('the request', () => clientFrame(request.body, 1) !== undefined)
    expect(request.target).toBe('/v1/responses')
    expect(JSON.parse(String(clientFrame(request.body, 1)))).toMatchObject({ type: 'response.create', input: 'Grüße' })
    expect(request.header('authorization')).toBe(`Bearer ${VENDOR_KEYS.openai}`)
    responses.close()
  })

  it.each([
    [RELAY_TOKEN, 'BidiGenerateContent'],
    // What the SDK takes for a short-lived key it sends as access_token; here it is no relay token.
    ['auth_tokens/stranger-0123456789abcdef', undefined],
  ])('@google/genai Live with the key %s', async (apiKey, method) => {
    rig.vendor.script = session(raw(frame(1, '{"setupComplete":{}}')), raw(closeFrame(1008, 'quota')), hang())
    const ai = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: `https://localhost:${rig.port}/proxy/gemini/` } })
    const closed = new Promise<number>((resolve) => {
      const callbacks = {
        onmessage: () => {},
        onerror: () => resolve(1006),
        onclose: ({ code }: CloseEvent) => resolve(code),
      }
      ai.live
        .connect({ model: 'gemini-live', config: { responseModalities: [Modality.TEXT] }, callbacks })
        .catch(() => resolve(-1))
    })
    expect(await closed).toBe(method === undefined ? 1006 : 1008)
    expect(rig.vendor.requests.map(({ target }) => target)).toEqual(
      method === undefined ? [] : [`/ws/google.ai.generativelanguage.v1.GenerativeService.${method}`],
    )
    if (method !== undefined) expect(rig.vendor.only.header('x-goog-api-key')).toBe(VENDOR_KEYS.gemini)
  })
})
