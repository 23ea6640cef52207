import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DIALECTS, json } from '../testkit/dialects.ts'
import { afterBody } from '../testkit/scripted-vendor.ts'
import type { Cut } from './line.ts'
import { type BorderRig, startBorder } from './rig.ts'

// Requests that take longer to cross than one packet.

const { openai } = DIALECTS
let rig: BorderRig
beforeAll(async () => {
  rig = await startBorder()
})
afterAll(() => rig.stop())
beforeEach(() => {
  rig.vendor.clear()
  rig.vendor.script = afterBody(() => json(openai.answer))
})

/** A conversation of about this many bytes, which compresses as conversations do. */
function conversation(bytes: number): Buffer {
  const words = ['the', 'river', 'ferry', '渡轮', '过江', 'answer', 'because', 'lantern', '夜里', 'north', 'seventeen']
  let seed = 7
  const next = (): string => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return `${words[seed % words.length]}${seed % 13 === 0 ? seed : ''}`
  }
  const content = Array.from({ length: bytes / 9 }, next).join(' ')
  return Buffer.from(JSON.stringify({ model: 'gpt-x', messages: [{ role: 'user', content }] }))
}

async function send(body: Buffer) {
  const answer = await rig.link.request({
    path: `/proxy/openai${openai.path}`,
    method: 'POST',
    headers: [...openai.credential, 'content-type', 'application/json'],
    body,
  })
  const pieces: Uint8Array[] = []
  for await (const piece of answer.body) pieces.push(piece)
  return { status: answer.status, text: Buffer.concat(pieces).toString() }
}

test.each([20_000, 100_000, 1_000_000])('%i bytes cross in at most two fifths of them', async (size) => {
  const body = conversation(size)
  const before = rig.line.bytes.up
  expect((await send(body)).text).toBe(openai.answer)
  expect(rig.vendor.only.body.equals(body)).toBe(true)
  expect(rig.line.bytes.up - before).toBeLessThan(0.4 * body.length)
})

describe.each<Cut>(['fin', 'rst', 'blackhole'])('cut by %s on its way', (how) => {
  test.each([0.1, 0.5, 0.999, 1.01])('after %d of it, a body arrives whole and once', async (part) => {
    const body = conversation(400_000)
    const before = rig.line.bytes.up
    await send(body)
    const crossed = rig.line.bytes.up - before
    await rig.newLink()
    await sleep(5)
    rig.vendor.clear()
    const first = rig.line.connections
    rig.line.fate = (connection) => (connection < first + 3 ? { afterUp: Math.round(crossed * part), how } : undefined)
    expect((await send(body)).text).toBe(openai.answer)
    expect(rig.vendor.requests).toHaveLength(1)
    expect(rig.vendor.only.body.equals(body)).toBe(true)
    rig.line.fate = () => undefined
  })
})
