import { createLogger, createRegistry, runMain, serveMetrics, stopOnSignal } from '@llm-ferry/kit'
import { bufferedStdout } from './buffered-stdout.ts'
import { readRelayConfig } from './config.ts'
import { createRelay } from './relay.ts'
import { reloadOnChange } from './reload.ts'

await runMain('relay', async () => {
  const config = readRelayConfig(process.env)
  const log = createLogger('relay', config.logLevel, bufferedStdout())
  const registry = createRegistry()
  const relay = createRelay(config, { log, registry })
  const port = await relay.listen()
  const metrics = await serveMetrics(() => registry.metrics(), { port: config.metricsPort, host: config.host })
  reloadOnChange(config.files, () => relay.reload(readRelayConfig(process.env)), log)
  stopOnSignal(relay, log)
  log.info({ port, metricsPort: metrics.port, vendors: config.vendors.map(({ name }) => name) }, 'relay_started')
})
