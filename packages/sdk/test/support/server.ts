import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { onTestFinished } from 'vitest'

/** A request as the test server got it. */
export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly json: Record<string, unknown>
  readonly socket: Socket
  /** Resolves when the caller's connection is gone, or the answer is out. */
  readonly closed: Promise<void>
}

export interface TestServer {
  readonly url: string
  /** All requests so far. */
  readonly received: Received[]
  /** The first request that fits, maybe one to come. */
  waitFor(method: string, path?: RegExp): Promise<Received>
}

type Handler = (request: Received, response: ServerResponse) => void | Promise<void>

/** A server on a real socket, closed with the test. Requests to leave a call are answered 204 by themselves. */
export async function startServer(handle: Handler): Promise<TestServer> {
  const received: Received[] = []
  const waiting = new Set<() => void>()
  const server = createServer(async (request, response) => {
    const closed = new Promise<void>((resolve) => response.on('close', () => resolve()))
    let body = ''
    for await (const piece of request.setEncoding('utf8')) body += piece
    const { method = '', url = '', headers, socket } = request
    const got = { method, path: url, headers, json: body ? JSON.parse(body) : {}, socket, closed }
    received.push(got)
    for (const wake of waiting) wake()
    if (method === 'DELETE') response.writeHead(204).end()
    else await handle(got, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const find = (method: string, path: RegExp) => received.find((each) => each.method === method && path.test(each.path))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    async waitFor(method, path = /./) {
      for (;;) {
        const found = find(method, path)
        if (found) return found
        await new Promise<void>((resolve) => waiting.add(resolve))
      }
    },
  }
}

/** Whether it happens within a second, which is what a caller who leaves is promised. */
export async function withinASecond<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('took longer than a second')), 1_000)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
