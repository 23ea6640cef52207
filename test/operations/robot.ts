import { createServer } from 'node:http'
import { listen } from '@llm-ferry/kit'

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
