import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { registerBuildInfo } from './build.ts'

export { AggregatorRegistry, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** Seconds from 1 ms to 300 s: a cached answer at one end, a reasoning model at the other. */
export const LATENCY_BUCKETS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300,
]

/** A registry with what runs here, and with Node's own metrics (CPU, memory, event-loop lag) under their usual names. */
export function createRegistry(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  registerBuildInfo(registry)
  return registry
}

/** A started metrics server. */
export interface MetricsServer {
  readonly port: number
  close(): Promise<void>
}

/** Serves `/metrics` on a port of its own, which must never be reachable from outside. */
export async function serveMetrics(
  exposition: () => Promise<string>,
  address: { port: number; host: string },
): Promise<MetricsServer> {
  const server = createServer(async (request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end()
      return
    }
    try {
      const page = await exposition()
      response.writeHead(200, { 'content-type': Registry.PROMETHEUS_CONTENT_TYPE }).end(page)
    } catch {
      response.writeHead(500).end()
    }
  })
  const port = await listen(server, address.port, address.host, 'METRICS_PORT')
  return { port, close: () => closeServer(server) }
}

/**
 * Listens and returns the port in use; rejects with the system's error, which then names `variable`.
 *
 * @param variable environment variable that the port comes from, for the sentence of a start that fails.
 */
export function listen(server: Server, port: number, host: string, variable = 'PORT'): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(Object.assign(error, { variable }))
    server.once('error', onError)
    server.listen(port, host, () => {
      server.off('error', onError)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}
