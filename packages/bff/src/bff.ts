import { createServer } from 'node:http'
import { createLogger, type Logger, listen, type MetricsServer, type Shutdown, serveMetrics } from '@llm-ferry/kit'
import { type AppParts, createApp } from './app.ts'
import { openShelf } from './cache/open.ts'
import type { BffConfig } from './config.ts'
import { Connections } from './connections.ts'
import { configuredKeys } from './keys/configured.ts'
import { KeyRing } from './keys/ring.ts'
import { Seals } from './keys/seals.ts'
import { LedgerExport } from './ledger/export.ts'
import { createCalendar } from './limits/calendar.ts'
import { loadTokenCounter } from './limits/estimate.ts'
import { Limits } from './limits/limits.ts'
import { createPolicies } from './limits/policy-schema.ts'
import { PROCEDURES } from './limits/procedures.ts'
import { openStore } from './store/index.ts'
import { createTelemetry } from './telemetry.ts'
import { createTransport } from './transport.ts'

/** A started BFF. */
export interface Bff extends Shutdown {
  readonly port: number
  readonly metricsPort: number | undefined
  readonly log: Logger
}

/** Longer than nginx keeps its connections to us (60 s), so that it is never the one to meet a closed one. */
const KEEP_ALIVE_MS = 75_000

/** What stands in for the outside world where a test says so. */
export type Surroundings = Pick<AppParts, 'imageNetwork'>

/** Starts a BFF with the given configuration. Rejects when a port cannot be had. */
export async function startBff(
  config: BffConfig,
  log: Logger = createLogger('bff', config.logLevel),
  surroundings: Surroundings = {},
): Promise<Bff> {
  const telemetry = createTelemetry()
  const transport = createTransport(config)
  const [store] = await Promise.all([
    openStore(config.redis, config.redisTimeoutMs, PROCEDURES, log),
    loadTokenCounter(),
  ])
  const limits = new Limits({
    store,
    calendar: createCalendar(config.quotaTimezone),
    outage: config.redisOutage,
    spoolFolder: config.spoolDir,
    leaseMs: config.callLeaseMs,
    log,
    registry: telemetry.registry,
  })
  const shelf = openShelf(config, store, log)
  const ledger = new LedgerExport(store, config.ledgerFile, log)
  let stopping = false
  const ring = new KeyRing(
    createPolicies(config.limits, config.file.limits),
    configuredKeys(config.keys, config.file.keys),
  )
  const seals = new Seals(config.keys)
  const app = createApp({
    ...surroundings,
    config,
    log,
    telemetry,
    transport,
    store,
    shelf,
    limits,
    ring,
    seals,
    draining: () => stopping,
  })
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, app.callback())
  const connections = new Connections(server)
  const port = await listen(server, config.port, config.host)
  const metrics = await startMetrics(config, () => telemetry.registry.metrics())
  log.info({ port, metricsPort: metrics?.port, vendors: config.file.vendors.map(({ name }) => name) }, 'bff_started')

  return {
    port,
    metricsPort: metrics?.port,
    log,
    async stop() {
      stopping = true
      const forced = setTimeout(() => server.closeAllConnections(), config.drainTimeoutMs)
      const closed = new Promise((resolve) => server.close(resolve))
      connections.closeIdle()
      await closed
      clearTimeout(forced)
      await limits.close()
      await ledger.close()
      await Promise.all([transport.close(), metrics?.close(), shelf.close(), store.close()])
    },
  }
}

async function startMetrics(
  { metricsPort, host }: BffConfig,
  exposition: () => Promise<string>,
): Promise<MetricsServer | undefined> {
  return metricsPort === undefined ? undefined : serveMetrics(exposition, { port: metricsPort, host })
}
