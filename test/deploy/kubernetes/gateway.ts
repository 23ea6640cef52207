// The way in and out of a Pod's network, which has nothing but its own loopback: sockets of the file system, which
// reach across networks, in place of a cluster's. Runs as a process of its own within that network.
//   node gateway.ts '{"inbound":[{"socket":"/…","port":8443}],"outbound":[{"address":"127.0.1.1","port":443,"socket":"/…"}]}'
// SIGUSR2 cuts all connections to port 443, as a line across the border does that resets.
import { connect, createServer, type Socket } from 'node:net'

export interface GatewayPlan {
  /** Ports of the Pod, each to be had at a socket. */
  readonly inbound: readonly { readonly socket: string; readonly port: number }[]
  /** Addresses within the Pod that lead to another one's socket. */
  readonly outbound: readonly { readonly address: string; readonly port: number; readonly socket: string }[]
}

const { inbound, outbound } = JSON.parse(process.argv[2] ?? '') as GatewayPlan
const overTheBorder = new Set<Socket>()

function join(one: Socket, other: Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.pipe(to)
    from.on('error', () => to.destroy())
    from.on('close', () => to.destroy())
  }
}

for (const { socket, port } of inbound) {
  createServer((caller) => join(caller, connect(port, '127.0.0.1'))).listen(socket)
}
for (const { address, port, socket } of outbound) {
  createServer((caller) => {
    if (port === 443) overTheBorder.add(caller.once('close', () => overTheBorder.delete(caller)))
    join(caller, connect(socket))
  }).listen(port, address)
}
process.on('SIGUSR2', () => {
  for (const socket of overTheBorder) socket.resetAndDestroy()
})
