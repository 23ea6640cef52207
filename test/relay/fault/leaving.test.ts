import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { chatBytes, DIALECTS, requestBytes, sseHead } from '../../testkit/dialects.ts'
import { eventually } from '../../testkit/eventually.ts'
import { exchange, RawClient } from '../../testkit/raw-client.ts'
import { afterBody, type Closing, chunk, hang, stopReading, type VendorRequest } from '../../testkit/scripted-vendor.ts'
import { VENDORS } from '../../testkit/services.ts'
import { answerRightly, relayRig } from '../rig.ts'

// The user hangs up; the vendor goes on generating, and bills it. Gateways that miss this one let aborted prompts cost
// as much as finished ones. One second is what the contract allows, whatever the phase.
const LIMIT_MS = 1000

const LEAVING: Readonly<Record<string, (client: RawClient) => void>> = {
  'a clean close': (client) => client.destroy(),
  'a reset': (client) => void client.socket.resetAndDestroy(),
}

describe.each(VENDORS)('a caller that leaves: %s', (vendor) => {
  const dialect = DIALECTS[vendor]
  const rig = relayRig()

  for (const [how, leave] of Object.entries(LEAVING)) {
    for (const version of ['HTTP/1.1', 'HTTP/1.0']) {
      it(`before the head, by ${how} (${version})`, async () => {
        rig.vendor.script = () => [hang()]
        const client = await RawClient.connect(rig.relay.port)
        await client.send(chatBytes(dialect, { version }))
        const request = await rig.vendor.received()
        await request.complete
        const left = performance.now()
        leave(client)
        expect((await closing(request)).at - left).toBeLessThan(LIMIT_MS)
      })

      it(`within a stream, by ${how} (${version})`, async () => {
        rig.vendor.script = afterBody(() => [sseHead(), chunk(dialect.stream[0] ?? ''), hang()])
        const client = await RawClient.connect(rig.relay.port)
        await client.send(chatBytes(dialect, { streamed: true, version }))
        await client.until(() => client.bytes.includes('data:'))
        const left = performance.now()
        leave(client)
        expect((await closing(rig.vendor.only)).at - left).toBeLessThan(LIMIT_MS)
      })
    }
  }
})

describe('a caller that leaves otherwise', () => {
  const rig = relayRig()
  const openai = DIALECTS.openai
  const upload = requestBytes({
    target: '/proxy/openai/v1/files',
    headers: [openai.credential, ['content-type', 'multipart/form-data; boundary=b'], ['transfer-encoding', 'chunked']],
  })

  it('within its upload', async () => {
    const client = await RawClient.connect(rig.relay.port)
    await client.send(upload)
    await client.send('4\r\nabcd\r\n')
    const request = await rig.vendor.received()
    await eventually('the first bytes', () => request.bodyBytes === 4)
    const left = performance.now()
    client.destroy()
    expect((await closing(request)).at - left).toBeLessThan(LIMIT_MS)
    expect(request.isComplete, 'a cut upload must not look whole').toBe(false)
  })

  it('within its JSON body: the vendor hears nothing of it', async () => {
    const client = await RawClient.connect(rig.relay.port)
    await client.send(
      requestBytes({
        target: '/proxy/openai/v1/x',
        headers: [openai.credential, ['content-length', '100']],
        body: '{',
      }),
    )
    await sleep(50)
    client.destroy()
    await sleep(200)
    expect(rig.vendor.requests.filter(({ isComplete }) => isComplete)).toEqual([])
  })

  it('while the vendor reads nothing of its upload', async () => {
    rig.vendor.script = () => [stopReading(), hang()]
    const client = await RawClient.connect(rig.relay.port)
    await client.send(upload)
    await client.send('1\r\nx\r\n')
    const request = await rig.vendor.received()
    const megabyte = Buffer.alloc(1024 * 1024, 'x')
    const piece = Buffer.concat([Buffer.from('100000\r\n'), megabyte, Buffer.from('\r\n')])
    for (let sent = 0; sent < 16; sent++) client.socket.write(piece)
    await sleep(300)
    client.destroy()
    // A vendor that does not read cannot see the end, so the relay's side tells: no connection stays open for it.
    await sleep(LIMIT_MS)
    expect(request.isComplete).toBe(false)
    answerRightly(rig.vendor)
    expect((await exchange(rig.relay.port, chatBytes(openai))).status).toBe(200)
  })

  it('with a request waiting behind it on its connection', async () => {
    rig.vendor.script = () => [hang()]
    const client = await RawClient.connect(rig.relay.port)
    await client.send(Buffer.concat([chatBytes(openai), chatBytes(openai)]))
    const request = await rig.vendor.received()
    const left = performance.now()
    client.destroy()
    expect((await closing(request)).at - left).toBeLessThan(LIMIT_MS)
    await sleep(100)
    // Whether the second was held back or sent beside the first: nothing may go on for a caller who has left.
    await eventually('all vendor calls ended', () => rig.vendor.requests.every(({ closing }) => closing), LIMIT_MS)
  })

  it('in great number at once', async () => {
    rig.vendor.script = () => [hang()]
    const clients = await Promise.all(Array.from({ length: 100 }, () => RawClient.connect(rig.relay.port)))
    await Promise.all(clients.map((client) => client.send(chatBytes(openai))))
    await rig.vendor.received(100)
    for (const client of clients) client.destroy()
    await eventually('all vendor calls ended', () => rig.vendor.requests.every((request) => request.closing), 2000)
  })
})

async function closing(request: VendorRequest): Promise<Closing> {
  const closed = await Promise.race([request.closed, sleep(5000)])
  if (!closed) throw new Error("the vendor's connection is still open after 5 s")
  return closed
}
