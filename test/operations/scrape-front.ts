import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { listen } from '@llm-ferry/kit'
import type { Certificates } from '../testkit/certs.ts'

/** A TLS front that passes paths on to ports of loopback, as nginx does before the relays. */
export interface ScrapeFront {
  readonly port: number
  /** Callers without a certificate of the authority that were turned away from /metrics. */
  readonly turnedAway: () => number
  stop(): Promise<void>
}

/** Starts the front. Paths below /metrics are only for callers with a client certificate. */
export async function startScrapeFront(
  { ca, key, cert }: Certificates,
  ports: () => Readonly<Record<string, { port: number; path: string }>>,
): Promise<ScrapeFront> {
  let turnedAway = 0
  const pass = (incoming: IncomingMessage, response: ServerResponse): void => {
    const target = ports()[incoming.url ?? '']
    const { authorized } = incoming.socket as { authorized?: boolean }
    if (incoming.url?.startsWith('/metrics') && !authorized) {
      turnedAway++
      response.writeHead(403).end()
    } else if (target === undefined) response.writeHead(404).end()
    else {
      const onward = request({ host: '127.0.0.1', port: target.port, path: target.path }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      })
      onward.on('error', () => response.writeHead(502).end())
      onward.end()
    }
  }
  const server = createTlsServer({ ca, key, cert, requestCert: true, rejectUnauthorized: false }, pass)
  const port = await listen(server, 0, '127.0.0.1')
  return {
    port,
    turnedAway: () => turnedAway,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** A chat robot that keeps what it was sent and answers as it is told. */
export interface Robot {
  readonly url: string
  readonly received: { readonly path: string; readonly body: Record<string, unknown> }[]
  answer: unknown
  stop(): Promise<void>
}

export async function startRobot(answer: unknown): Promise<Robot> {
  const received: Robot['received'] = []
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk)
    received.push({ path: incoming.url ?? '', body: JSON.parse(Buffer.concat(chunks).toString()) })
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(robot.answer))
  })
  const port = await listen(server, 0, '127.0.0.1')
  const robot: Robot = {
    url: `http://127.0.0.1:${port}/robot?access_token=robot-token-0123456789`,
    received,
    answer,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return robot
}
