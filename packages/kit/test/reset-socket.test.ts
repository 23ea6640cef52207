import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, it } from 'vitest'
import { resetSocket } from '../src/reset-socket.ts'

let server: Server

afterEach(() => new Promise((resolve) => server.close(resolve)))

/** How a caller sees the end of its connection when the server does this with it. */
async function seen(serve: (socket: Socket) => void): Promise<{ bytes: number; error: string | undefined }> {
  server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => serve(socket))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  let bytes = 0
  let error: string | undefined
  const client = connect(port, '127.0.0.1', () => client.write('go'))
  client.on('data', (piece) => {
    bytes += piece.length
  })
  client.on('error', (reason: NodeJS.ErrnoException) => {
    error = reason.code
  })
  await new Promise((resolve) => client.once('close', resolve))
  return { bytes, error }
}

it('resets a connection whose answer is not whole', async () => {
  expect(await seen(resetSocket)).toEqual({ bytes: 0, error: 'ECONNRESET' })
})

it('resets one whose end is asked for, but not yet with the kernel', async () => {
  const whole = Buffer.alloc(50_000_000)
  const { bytes, error } = await seen((socket) => {
    socket.end(whole)
    setTimeout(() => resetSocket(socket), 1)
  })
  expect(error).toBe('ECONNRESET')
  expect(bytes).toBeLessThan(whole.length)
})

it.each([
  ['in the same turn', (reset: () => void) => reset()],
  ['in the next tick', (reset: () => void) => process.nextTick(reset)],
  ['in the next turn', (reset: () => void) => setImmediate(reset)],
])('keeps no socket that has just ended: %s', async (_, when) => {
  const open = (): number => readdirSync('/proc/self/fd').length
  const before = open()
  for (let i = 0; i < 10; i++) {
    await seen((socket) => {
      socket.end('whole')
      when(() => resetSocket(socket))
    })
    await new Promise((resolve) => server.close(resolve))
  }
  for (let i = 0; i < 100 && open() > before; i++) await sleep(20)
  expect(open()).toBeLessThanOrEqual(before)
})
