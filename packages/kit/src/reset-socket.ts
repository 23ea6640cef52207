import type { Socket } from 'node:net'

/**
 * Ends a connection so that its other side cannot take what it has got for whole: with a reset, where there is something
 * left to lose. TLS has no reset of its own; its end without a close_notify is no clean one either.
 */
export function resetSocket(socket: Socket): void {
  // All is with the kernel, and the FIN is on its way. Node 24 would ask libuv for a reset all the same, is refused, and
  // never closes the socket: neither it nor the process would end.
  const isEnding = socket.writableEnded && socket.writableLength === 0
  if ('encrypted' in socket || isEnding) socket.destroy()
  else socket.resetAndDestroy()
}
