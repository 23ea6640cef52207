import { describe, expect, it } from 'vitest'
import { DIALECTS, requestBytes } from '../../testkit/dialects.ts'
import type { Field } from '../../testkit/http-reader.ts'
import { headerOf, RawClient } from '../../testkit/raw-client.ts'
import { afterBody, head, raw } from '../../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, VENDOR_KEYS } from '../../testkit/services.ts'
import { relayRig } from '../rig.ts'

const openai = DIALECTS.openai
const HIDDEN = 'GET /v1/hidden HTTP/1.1\r\nHost: x\r\n\r\n'
const WEBSOCKET: readonly Field[] = [
  ['Connection', 'Upgrade'],
  ['Upgrade', 'websocket'],
  ['Sec-WebSocket-Version', '13'],
  ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
]

// Upgrade smuggling (2021: "h2c smuggling"; CVE-2021-44224 and kin): the attacker asks for an upgrade, the proxy opens
// a tunnel before the vendor has agreed, and from then on the attacker talks to the vendor without any check.
describe('upgrades', () => {
  const rig = relayRig()
  const upgrade = async (target: string, headers: readonly Field[], after = HIDDEN): Promise<RawClient> => {
    const client = await RawClient.connect(rig.relay.port)
    await client.send(requestBytes({ method: 'GET', target, headers }))
    await client.answered(1, 1500)
    await client.send(after)
    await client.ended(300)
    client.destroy()
    return client
  }
  const targets = (): readonly string[] => rig.vendor.requests.map(({ target }) => target)

  it('opens no tunnel when the vendor declines with 200', async () => {
    const client = await upgrade('/proxy/openai/v1/realtime?model=m', [openai.credential, ...WEBSOCKET])
    expect(client.responses[0]?.status).not.toBe(101)
    expect(targets()).not.toContain('/v1/hidden')
    for (const request of rig.vendor.requests) expect(request.body.toString()).not.toContain('hidden')
  })

  it("brings the vendor's refusal back", async () => {
    const body = '{"error":{"message":"no such model","type":"invalid_request_error","code":null,"param":null}}'
    rig.vendor.script = afterBody(() => [
      head(404, [
        ['content-type', 'application/json'],
        ['content-length', String(body.length)],
      ]),
      raw(body),
    ])
    const client = await upgrade('/proxy/openai/v1/realtime?model=none', [openai.credential, ...WEBSOCKET], '')
    expect(client.responses[0]?.status).toBe(404)
    expect(client.responses[0]?.body.toString()).toBe(body)
  })

  it.each(['h2c', 'HTTP/2.0', 'TLS/1.0', 'connect-ip'])('does not upgrade to %s', async (protocol) => {
    const headers: readonly Field[] = [
      ['Connection', 'Upgrade, HTTP2-Settings'],
      ['Upgrade', protocol],
      ['HTTP2-Settings', 'AAMAAABkAAQAAP__'],
    ]
    const client = await upgrade('/proxy/openai/v1/models', [openai.credential, ...headers])
    expect(client.responses[0]?.status).not.toBe(101)
    for (const request of rig.vendor.requests) {
      expect(request.header('upgrade')).toBeUndefined()
      expect(request.header('http2-settings')).toBeUndefined()
    }
    expect(targets()).not.toContain('/v1/hidden')
  })

  it('does not upgrade without a credential', async () => {
    const client = await upgrade('/proxy/openai/v1/realtime?model=m', WEBSOCKET)
    expect(client.responses[0]?.status).toBe(401)
    expect(rig.vendor.requests).toEqual([])
  })

  it('does not upgrade with a wrong token in any of its places', async () => {
    const wrong = 'stranger-0123456789abcdef'
    const attempts: readonly (readonly [string, readonly Field[]])[] = [
      ['/proxy/openai/v1/realtime', [['Authorization', `Bearer ${wrong}`]]],
      ['/proxy/openai/v1/realtime', [['Sec-WebSocket-Protocol', `realtime, openai-insecure-api-key.${wrong}`]]],
      [`/proxy/gemini/ws/x.GenerativeService.BidiGenerateContent?key=${wrong}`, []],
      [
        '/proxy/openai/v1/realtime',
        [openai.credential, ['Sec-WebSocket-Protocol', `realtime, openai-insecure-api-key.${RELAY_TOKEN}`]],
      ],
    ]
    for (const [target, headers] of attempts) {
      const client = await upgrade(target, [...headers, ...WEBSOCKET])
      expect(client.responses[0]?.status, target).toBe(401)
    }
    expect(rig.vendor.requests).toEqual([])
    expect(rig.relay.log()).not.toContain(wrong)
  })

  it('does not upgrade outside /proxy', async () => {
    for (const target of ['/health', '/', '/metrics', '/proxy/nobody/v1/realtime']) {
      const client = await upgrade(target, [openai.credential, ...WEBSOCKET])
      expect(client.responses[0]?.status).not.toBe(101)
    }
    expect(rig.vendor.requests).toEqual([])
  })

  // The credential is swapped in each of the places, and the subprotocol that carries it never reaches the vendor.
  it('swaps the credential, then passes bytes both ways', async () => {
    rig.vendor.script = afterBody(() => [
      head(101, [
        ['Connection', 'Upgrade'],
        ['Upgrade', 'websocket'],
        ['Sec-WebSocket-Accept', 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='],
        ['Sec-WebSocket-Protocol', 'realtime'],
      ]),
      raw(Buffer.from([0x81, 0x02, 0x68, 0x69])),
    ])
    const protocols: Field = ['Sec-WebSocket-Protocol', `realtime, openai-insecure-api-key.${RELAY_TOKEN}`]
    const client = await RawClient.connect(rig.relay.port)
    await client.send(
      requestBytes({ method: 'GET', target: '/proxy/openai/v1/realtime?model=m', headers: [protocols, ...WEBSOCKET] }),
    )
    expect(await client.until(() => client.bytes.includes(Buffer.from([0x81, 0x02, 0x68, 0x69])), 2000)).toBe(true)
    const [answer] = client.responses
    expect(answer?.status).toBe(101)
    expect(answer && headerOf(answer, 'sec-websocket-protocol')).toBe('realtime')
    const request = rig.vendor.only
    expect(request.target).toBe('/v1/realtime?model=m')
    expect(request.text).toContain(VENDOR_KEYS.openai)
    expect(request.text).not.toContain(RELAY_TOKEN)
    const frame = Buffer.from([0x81, 0x82, 1, 2, 3, 4, 0x69, 0x6b])
    await client.send(frame)
    await client.until(() => request.body.length >= frame.length, 1000)
    expect(request.body.equals(frame)).toBe(true)
    // The caller leaves: the vendor's session, which is billed by the minute, ends within a second.
    const left = performance.now()
    client.destroy()
    const { at } = await request.closed
    expect(at - left).toBeLessThan(1000)
  })
})
