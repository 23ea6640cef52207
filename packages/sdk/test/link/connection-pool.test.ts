import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ConnectionPool } from '../../src/link/connection-pool.ts'

// Over a real server, which tells by which of its connections a request came.
const sockets: Socket[] = []
const waiting: ServerResponse[] = []
const server = createServer((request: IncomingMessage, response) => {
  const reply = () => response.end(String(sockets.indexOf(request.socket)))
  if (request.url === '/wait') waiting.push(response.on('close', () => {}))
  else if (request.url === '/last') response.setHeader('connection', 'close').end('bye')
  else reply()
}).on('connection', (socket: Socket) => sockets.push(socket))

let pool: ConnectionPool

beforeEach(async () => {
  sockets.length = 0
  waiting.length = 0
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  pool = new ConnectionPool(`http://127.0.0.1:${port}`, { connect: { timeout: 2000 }, keepAliveTimeout: 60_000 })
})

afterEach(async () => {
  await pool.destroy()
  server.closeAllConnections()
  server.close()
})

const ask = async (path = '/'): Promise<string> => {
  const { body } = await pool.request({ path, method: 'GET' })
  return body.text()
}

const becomesFree = (count: number): Promise<void> => vi.waitFor(() => expect(pool.free).toBe(count))

/** Requests that hold their connections until they are let go. */
async function hold(count: number): Promise<{ letGo: () => Promise<unknown> }> {
  const before = waiting.length
  const held = Array.from({ length: count }, () => ask('/wait'))
  await vi.waitFor(() => expect(waiting).toHaveLength(before + count))
  return {
    letGo: () => {
      for (const response of waiting.splice(before, count)) response.end('let go')
      return Promise.all(held)
    },
  }
}

describe('a pool of connections', () => {
  test('uses one connection for one request after the other', async () => {
    for (let i = 0; i < 5; i++) expect(await ask()).toBe('0')
    expect(sockets).toHaveLength(1)
    await becomesFree(1)
  })

  test('opens as many as there are requests at once, and keeps them', async () => {
    const { letGo } = await hold(300)
    expect(sockets).toHaveLength(300)
    await becomesFree(0)
    await letGo()
    await becomesFree(300)
    const again = await hold(300)
    expect(sockets).toHaveLength(300)
    await again.letGo()
  })

  test('takes the one that was used last', async () => {
    const { letGo } = await hold(3)
    await letGo()
    await becomesFree(3)
    const last = await ask()
    expect(new Set([await ask(), await ask(), await ask()])).toEqual(new Set([last]))
  })

  test('can open one more, and can ask the one that was used first', async () => {
    const answers: string[] = []
    const handler = {
      onRequestStart: () => {},
      onResponseStart: () => {},
      onResponseData: (_: unknown, chunk: Buffer) => void answers.push(chunk.toString()),
      onResponseEnd: () => {},
      onResponseError: (_: unknown, error: Error) => void answers.push(error.message),
    }
    expect(await ask()).toBe('0')
    pool.dispatchOnNew({ path: '/', method: 'GET' }, handler)
    await vi.waitFor(() => expect(answers).toEqual(['1']))
    await becomesFree(2)
    expect(pool.dispatchOnOldest(60_000, { path: '/', method: 'GET' }, handler)).toBe(false)
    await sleep(5)
    expect(pool.dispatchOnOldest(1, { path: '/', method: 'GET' }, handler)).toBe(true)
    await vi.waitFor(() => expect(answers).toEqual(['1', '0']))
  })

  test('forgets a connection that the other side closes, whether it is in use or not', async () => {
    expect(await ask('/last')).toBe('bye')
    await becomesFree(0)
    const { letGo } = await hold(4)
    await letGo()
    await becomesFree(4)
    sockets[2]?.destroy()
    await becomesFree(3)
    const broken = ask('/wait').catch((error: Error) => error.name)
    await vi.waitFor(() => expect(waiting).toHaveLength(1))
    waiting[0]?.socket?.destroy()
    expect(await broken).toBe('SocketError')
    await becomesFree(2)
    expect(await ask()).toMatch(/^\d$/)
  })

  test('keeps a connection whose request was refused for what it is', async () => {
    expect(await ask()).toBe('0')
    await expect(pool.request({ path: '/', method: 'GET', headers: { 'bad name': 'x' } })).rejects.toThrow(/header/)
    await becomesFree(1)
    await expect(pool.request({ path: 'no slash', method: 'GET' })).rejects.toThrow(/path/)
    await becomesFree(1)
    expect(await ask()).toBe('0')
    expect(sockets).toHaveLength(1)
  })

  test('says that it cannot connect, and connects later', async () => {
    const { port } = server.address() as AddressInfo
    server.close()
    await expect(ask()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await becomesFree(0)
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    expect(await ask()).toBe('0')
  })

  test('lets requests end when it is closed, and takes no more', async () => {
    const { letGo } = await hold(2)
    const closing = pool.close()
    await expect(ask()).rejects.toThrow('the connections are closed')
    expect(await letGo()).toEqual(['let go', 'let go'])
    await closing
  })

  test('cuts requests when it is destroyed', async () => {
    const held = Promise.allSettled([ask('/wait'), ask('/wait')])
    await vi.waitFor(() => expect(waiting).toHaveLength(2))
    await pool.destroy()
    expect((await held).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    await vi.waitFor(() => expect(sockets.every((socket) => socket.destroyed || socket.readableEnded)).toBe(true))
  })
})
