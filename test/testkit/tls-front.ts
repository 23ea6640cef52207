import { type AddressInfo, connect } from 'node:net'
import { createServer } from 'node:tls'
import type { Certificates } from './certs.ts'

/** A TLS server that passes bytes to a plain port, as nginx does in front of a service. */
export async function startTlsFront(
  { key, cert }: Certificates,
  port: number,
): Promise<{ readonly port: number; stop(): void }> {
  const server = createServer({ key, cert }, (secure) => {
    const plain = connect({ port, host: '127.0.0.1', noDelay: true })
    secure.pipe(plain).pipe(secure)
    secure.on('error', () => plain.destroy()).on('close', () => plain.destroy())
    plain.on('error', () => secure.destroy()).on('close', () => secure.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: (server.address() as AddressInfo).port, stop: () => void server.close() }
}
