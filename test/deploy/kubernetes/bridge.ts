import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'

/** Leads connections from one place to another: a port of loopback, or a socket of the file system. */
export interface Bridge {
  readonly port: number
  stop(): Promise<void>
}

/** A port that leads to a socket. */
export async function portTo(socket: string): Promise<Bridge> {
  const server = leading(socket)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { port: (server.address() as AddressInfo).port, stop: () => close(server) }
}

/** A socket that leads to a port. */
export async function socketTo(port: number, socket: string): Promise<Bridge> {
  const server = leading(port)
  await once(server.listen(socket), 'listening')
  return { port, stop: () => close(server) }
}

function leading(target: string | number): Server {
  return createServer((caller) => {
    const callee = typeof target === 'string' ? connect(target) : connect(target, '127.0.0.1')
    for (const [from, to] of [
      [caller, callee],
      [callee, caller],
    ] as const) {
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => to.destroy())
    }
  })
}

const close = (server: Server): Promise<void> => new Promise((resolve) => void server.close(() => resolve()))
