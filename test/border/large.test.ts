import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DIALECTS } from '../testkit/dialects.ts'
import { afterBody, flood, head } from '../testkit/scripted-vendor.ts'
import { type BorderRig, startBorder } from './rig.ts'

// Answers that are larger than what anybody keeps of them.

const MIB = 1024 * 1024
const LENGTH = 48 * MIB
let rig: BorderRig

beforeAll(async () => {
  // Patient: a busy machine must not look like a dead line, whose bytes under way would be more than is kept.
  const patience = { leastSilenceMs: 3000, mostSilenceMs: 5000 }
  rig = await startBorder({}, {}, patience)
  const piece = Buffer.from(Array.from({ length: 65_536 }, (_, i) => i % 251))
  rig.vendor.script = afterBody(() => [
    head(200, [
      ['content-type', 'application/octet-stream'],
      ['content-length', String(LENGTH)],
    ]),
    flood(LENGTH, piece),
  ])
})
afterAll(() => rig.stop())

async function* answerOf() {
  const { openai } = DIALECTS
  const answer = await rig.link.request({
    path: '/proxy/openai/v1/audio/speech',
    method: 'POST',
    headers: [...openai.credential],
    body: Buffer.from('{}'),
  })
  yield* answer.body
}

/** Whether each 997th byte is the one that belongs there. */
function isRight(piece: Uint8Array, offset: number): boolean {
  for (let i = 0; i < piece.length; i += 997) if (piece[i] !== ((offset + i) % 65_536) % 251) return false
  return true
}

/** Reads an answer, checking each byte, with a pause now and then. */
async function read(onPiece: (received: number) => Promise<void> | void = () => {}): Promise<number> {
  let received = 0
  for await (const piece of answerOf()) {
    if (!isRight(piece, received)) expect.fail(`a wrong byte after ${received}`)
    received += piece.length
    await onPiece(received)
  }
  return received
}

test('arrive whole though the line is cut every few MiB', async () => {
  rig.vendor.clear()
  const first = rig.line.connections
  rig.line.fate = (connection) =>
    connection === first || connection < first + 12 ? { afterDown: 3 * MIB + connection, how: 'rst' } : undefined
  expect(await read()).toBe(LENGTH)
  expect(rig.line.cuts).toBeGreaterThan(9)
  expect(rig.vendor.requests).toHaveLength(1)
})

test('arrive whole at a reader that stops for longer than any heartbeat, and hold the vendor back', async () => {
  rig.vendor.clear()
  rig.line.fate = () => undefined
  let hasPaused = false
  const received = await read(async (bytes) => {
    if (hasPaused || bytes < 2 * MIB) return
    hasPaused = true
    const before = rig.line.bytes.down
    await sleep(1500)
    // What the kernels take, and not the whole of it.
    expect(rig.line.bytes.down - before).toBeLessThan(LENGTH / 2)
  })
  expect(received).toBe(LENGTH)
  expect(rig.vendor.requests).toHaveLength(1)
})
