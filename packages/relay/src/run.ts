import { createLogger, createRegistry, type Logger, reloadOnChange, serveMetrics, stopOnSignal } from '@llm-ferry/kit'
import { type RelayConfig, readRelayConfig } from './config.ts'
import { createRelay, type Relay } from './relay.ts'
import { startTracing } from './tracing/index.ts'
import { Primary, serveAsWorker, workerIndex } from './workers/index.ts'

/**
 * Runs a relay as this process's environment and arguments say, until a signal stops it.
 *
 * @param entry file of the relay's own main, which workers run too.
 */
export async function runRelay(entry: string): Promise<void> {
  const config = readRelayConfig(process.env)
  const log = createLogger('relay', config.logLevel)
  const worker = workerIndex(process.argv)
  if (worker !== undefined) await runWorker(config, log, worker)
  else if (config.workers > 1) await runPrimary(entry, config, log)
  else await runAlone(config, log)
}

async function runAlone(config: RelayConfig, log: Logger): Promise<void> {
  const registry = createRegistry()
  const tracing = await startTracing(config.tracing, log)
  const relay = createRelay(config, { log, registry, tracing })
  const port = await relay.listen()
  const metrics = await serveMetrics(() => registry.metrics(), { port: config.metricsPort, host: config.host })
  reloadOnFiles(relay, config, log)
  stopOnSignal(relay, log)
  log.info({ port, metricsPort: metrics.port, vendors: namesOf(config) }, 'relay_started')
}

async function runWorker(config: RelayConfig, log: Logger, index: number): Promise<void> {
  const registry = createRegistry()
  const own = { ...config, port: config.port === 0 ? 0 : config.port + index }
  const tracing = await startTracing(config.tracing, log)
  const relay = createRelay(own, { log, registry, tracing })
  const port = await relay.listen()
  reloadOnFiles(relay, config, log)
  serveAsWorker(relay, registry, port)
  log.info({ worker: index, port }, 'worker_started')
}

async function runPrimary(entry: string, config: RelayConfig, log: Logger): Promise<void> {
  const primary = new Primary(entry, log, createRegistry())
  const ports = await primary.start(config.workers)
  // The worker has said what to mend.
  if (ports === undefined) process.exit(1)
  const metrics = await serveMetrics(() => primary.page(), { port: config.metricsPort, host: config.host })
  process.on('SIGHUP', () => primary.signal('SIGHUP'))
  stopOnSignal(primary, log)
  log.info({ ports, metricsPort: metrics.port, vendors: namesOf(config) }, 'relay_started')
}

function reloadOnFiles(relay: Relay, { files }: RelayConfig, log: Logger): void {
  reloadOnChange(files, () => relay.reload(readRelayConfig(process.env)), log)
}

function namesOf({ vendors }: RelayConfig): readonly string[] {
  return vendors.map(({ name }) => name)
}
