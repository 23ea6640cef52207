import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { chatBytes, DIALECTS, requestBytes } from '../../testkit/dialects.ts'
import { eventually } from '../../testkit/eventually.ts'
import { RawClient } from '../../testkit/raw-client.ts'
import { afterBody, flood, hang, head, stopReading } from '../../testkit/scripted-vendor.ts'
import { vitals } from '../../testkit/services.ts'
import { relayRig } from '../rig.ts'

const MIB = 1024 * 1024
const openai = DIALECTS.openai

// A reader that does not read, or a vendor that does not: whatever the relay takes in meanwhile stays in its memory.
// Kernel buffers on both sides take some megabytes; the process itself must not grow with the flood.
describe('slow readers', () => {
  const rig = relayRig({ STREAM_IDLE_TIMEOUT_MS: '30000', LOG_LEVEL: 'warn' }, { keepBody: false })

  it('holds the vendor back, in bounded memory, and then delivers every byte', async () => {
    const READERS = 4
    const SIZE = 64 * MIB
    let written = 0
    const piece = Buffer.alloc(65536, 'x')
    rig.vendor.script = afterBody(() => [
      head(200, [
        ['content-type', 'application/octet-stream'],
        ['content-length', String(SIZE)],
      ]),
      async (wire) => {
        for (let sent = 0; sent < SIZE && !wire.request.closing; sent += piece.length) {
          await wire.write(piece)
          written += piece.length
        }
      },
    ])
    const before = vitals(rig.relay.pid).rssMiB
    const clients = await Promise.all(Array.from({ length: READERS }, () => RawClient.connect(rig.relay.port)))
    for (const client of clients) {
      client.socket.pause()
      await client.send(chatBytes(openai))
    }
    await stalled(() => written)
    expect(written, 'the vendor was not held back').toBeLessThan((READERS * SIZE) / 2)
    const grown = vitals(rig.relay.pid).rssMiB - before
    expect(grown, `grew by ${grown.toFixed(0)} MiB`).toBeLessThan(48)
    const received = await Promise.all(clients.map(drain))
    for (const bytes of received) expect(bytes).toBeGreaterThanOrEqual(SIZE)
  })

  it('holds the caller back when the vendor does not read', async () => {
    rig.vendor.script = () => [stopReading(), hang()]
    const headers = [
      openai.credential,
      ['content-type', 'multipart/form-data; boundary=b'],
      ['content-length', String(256 * MIB)],
    ] as const
    const before = vitals(rig.relay.pid).rssMiB
    const client = await RawClient.connect(rig.relay.port)
    await client.send(requestBytes({ target: '/proxy/openai/v1/files', headers }))
    let written = 0
    const piece = Buffer.alloc(65536, 'x')
    void (async () => {
      while (client.ending === 'open' && written < 256 * MIB) {
        await client.send(piece)
        written += piece.length
      }
    })()
    await stalled(() => written)
    expect(written).toBeLessThan(128 * MIB)
    expect(vitals(rig.relay.pid).rssMiB - before).toBeLessThan(48)
    client.destroy()
  })

  it('serves a fast reader beside a stalled one', async () => {
    rig.vendor.script = afterBody(({ target }) => [
      head(200, [['content-length', String(8 * MIB)]]),
      target.includes('slow') ? flood(8 * MIB) : flood(8 * MIB),
    ])
    const slow = await RawClient.connect(rig.relay.port)
    slow.socket.pause()
    await slow.send(requestBytes({ target: '/proxy/openai/v1/slow', headers: [openai.credential], body: '{}' }))
    const fast = await RawClient.connect(rig.relay.port)
    await fast.send(requestBytes({ target: '/proxy/openai/v1/fast', headers: [openai.credential], body: '{}' }))
    expect(await drain(fast)).toBeGreaterThanOrEqual(8 * MIB)
    expect(await drain(slow)).toBeGreaterThanOrEqual(8 * MIB)
  })
})

/** Waits until a counter no longer moves. */
async function stalled(counter: () => number): Promise<void> {
  let last = -1
  await eventually(
    'a standstill',
    async () => {
      const now = counter()
      const still = now === last && now > 0
      last = now
      await sleep(200)
      return still
    },
    15_000,
  )
}

/** Reads a client's answer to the end without keeping it. */
async function drain(client: RawClient): Promise<number> {
  let bytes = client.bytes.length
  client.socket.removeAllListeners('data')
  const done = new Promise<void>((resolve) => {
    let quiet = setTimeout(resolve, 2000)
    client.socket.on('data', (piece: Buffer) => {
      bytes += piece.length
      clearTimeout(quiet)
      quiet = setTimeout(resolve, 500)
    })
    client.socket.once('close', () => resolve())
  })
  client.socket.resume()
  await done
  client.destroy()
  return bytes
}
