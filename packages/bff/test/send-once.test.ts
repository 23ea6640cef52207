import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { FerryError } from '@llm-ferry/sdk'
import { ConnectionPool } from '@llm-ferry/sdk/link'
import { afterEach, describe, expect, test } from 'vitest'
import { AttemptFailure } from '../src/dispatch/failure.ts'
import { sendOnce } from '../src/send-once.ts'
import type { Exchange } from '../src/transport.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function vendor(answer: RequestListener): Promise<{ pool: ConnectionPool; server: Server }> {
  const server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const pool = new ConnectionPool(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, {})
  closing.push(
    () => pool.destroy(),
    () => server.closeAllConnections(),
    () => server.close(),
  )
  return { pool, server }
}

const send = (pool: ConnectionPool, body?: string | Readable, signal = new AbortController().signal) =>
  sendOnce(
    pool,
    '/v1/chat',
    { method: 'POST', path: '', headers: { 'x-a': '1' }, body },
    { authorization: 'k' },
    signal,
  )

async function text({ body }: Pick<Exchange, 'body'>): Promise<string> {
  let all = ''
  for await (const piece of body) all += Buffer.from(piece).toString()
  return all
}

describe('one request', () => {
  test('has its answer, with what the headers of both said', async () => {
    const { pool } = await vendor((request, response) => {
      const { authorization, 'x-a': a } = request.headers
      request.pipe(response.writeHead(201, { 'x-b': '2', 'x-seen': `${authorization}${a}` }))
    })
    const answer = await send(pool, 'hello')
    expect(answer).toMatchObject({ status: 201, headers: { 'x-b': '2', 'x-seen': 'k1' } })
    expect(await text(answer)).toBe('hello')
  })

  test('to nobody has certainly reached no vendor', async () => {
    const { pool, server } = await vendor(() => {})
    await new Promise((resolve) => server.close(resolve))
    const failure = await send(pool).catch((error: unknown) => error)
    expect(failure).toMatchObject({ origin: 'unreached', error: { code: 'upstream_unreachable' } })
  })

  test('whose connection breaks before the answer may have been seen', async () => {
    const { pool } = await vendor((request) => request.socket.destroy())
    const failure = await send(pool, 'hello').catch((error: unknown) => error)
    expect(failure).toMatchObject({ origin: 'unknown', error: { code: 'upstream_truncated' } })
  })

  test('whose answer breaks off: what has come is read, and then the error', async () => {
    const { pool } = await vendor((_, response) => {
      response.writeHead(200).write('begin')
      setTimeout(() => response.socket?.destroy(), 50)
    })
    const { body } = await send(pool)
    let seen = ''
    const reading = (async () => {
      for await (const piece of body) seen += Buffer.from(piece).toString()
    })()
    await expect(reading).rejects.toThrow()
    expect(seen).toBe('begin')
  })

  test('that is ended before its answer fails at once with the reason, and ends its connection', async () => {
    const left = Promise.withResolvers<void>()
    const { pool } = await vendor((request) => request.socket.once('close', () => left.resolve()))
    const controller = new AbortController()
    const reason = new FerryError('client_closed', 'gone')
    setTimeout(() => controller.abort(reason), 50)
    const failure = await send(pool, 'hello', controller.signal).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(AttemptFailure)
    expect((failure as AttemptFailure).error).toBe(reason)
    await left.promise
  })

  test('that was ended before it began is not sent', async () => {
    let asked = 0
    const { pool } = await vendor(() => asked++)
    const signal = AbortSignal.abort(new FerryError('client_closed', 'gone'))
    await expect(send(pool, 'hello', signal)).rejects.toThrow('gone')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(asked).toBe(0)
  })

  test('that is ended amid its answer, or read no further, ends its connection', async () => {
    const ends: Promise<void>[] = []
    const { pool } = await vendor((request, response) => {
      ends.push(new Promise((resolve) => void request.socket.once('close', () => resolve())))
      response.writeHead(200).write('begin')
    })
    const controller = new AbortController()
    const first = await send(pool, undefined, controller.signal)
    controller.abort(new FerryError('client_closed', 'gone'))
    await expect(text(first)).rejects.toThrow('gone')
    const second = await send(pool)
    for await (const _ of second.body) break
    await Promise.all(ends)
    expect(ends).toHaveLength(2)
  })

  test('with a body that is read as it is sent ends that body when it fails', async () => {
    const { pool } = await vendor((request) => request.once('data', () => request.socket.destroy()))
    const body = new Readable({ read() {} })
    body.push('piece')
    await expect(send(pool, body)).rejects.toThrow(AttemptFailure)
    expect(body.destroyed).toBe(true)
  })
})
