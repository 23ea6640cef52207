import { createServer } from 'node:http'
import {
  createLogger,
  isWebSocketUpgrade,
  type Logger,
  listen,
  type MetricsServer,
  type Shutdown,
  serveMetrics,
} from '@llm-ferry/kit'
import { type AppParts, createApps } from './app.ts'
import { openShelf } from './cache/open.ts'
import type { BffConfig } from './config.ts'
import { Connections } from './connections.ts'
import { Calls } from './idempotency/calls.ts'
import { createIdempotencyMetrics } from './idempotency/metrics.ts'
import { configuredKeys } from './keys/configured.ts'
import { KEY_PROCEDURES } from './keys/procedures.ts'
import { KeyRing } from './keys/ring.ts'
import { Seals } from './keys/seals.ts'
import { KeySync } from './keys/sync.ts'
import { LedgerExport } from './ledger/export.ts'
import { createCalendar } from './limits/calendar.ts'
import { loadTokenCounter } from './limits/estimate.ts'
import { Limits } from './limits/limits.ts'
import { createPolicies } from './limits/policy-schema.ts'
import { PROCEDURES } from './limits/procedures.ts'
import { Upgrades } from './sessions/upgrades.ts'
import { openStore } from './store/index.ts'
import { createTelemetry } from './telemetry.ts'
import { createTransport } from './transport.ts'

/** A started BFF. */
export interface Bff extends Shutdown {
  readonly port: number
  /** Port of the admin API, where it has one of its own. */
  readonly adminPort: number | undefined
  readonly metricsPort: number | undefined
  readonly log: Logger
  /** Takes over the certificate for the relays from a configuration read anew; all else needs a restart. */
  reload(config: BffConfig): void
}

/** Longer than nginx keeps its connections to us (60 s), so that it is never the one to meet a closed one. */
const KEEP_ALIVE_MS = 75_000

/** What stands in for the outside world where a test says so. */
export type Surroundings = Pick<AppParts, 'imageNetwork' | 'dialects'>

/** Starts a BFF with the given configuration. Rejects when a port cannot be had. */
export async function startBff(
  config: BffConfig,
  log: Logger = createLogger('bff', config.logLevel),
  surroundings: Surroundings = {},
): Promise<Bff> {
  const telemetry = createTelemetry()
  const transport = createTransport({ ...config, registry: telemetry.registry })
  const [store] = await Promise.all([
    openStore(config.redis, config.redisTimeoutMs, [...PROCEDURES, ...KEY_PROCEDURES], log),
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
  const calls = new Calls({
    store,
    detachGraceMs: config.detachGraceMs,
    resultMs: config.idempotencyTtlMs,
    endExchange: transport.endExchange,
    metrics: createIdempotencyMetrics(telemetry.registry),
    log,
  })
  const shelf = openShelf(config, store, log)
  const ledger = new LedgerExport(store, config.ledgerFile, log)
  const upgrades = new Upgrades()
  let stopping = false
  const configured = configuredKeys(config.keys, config.file.keys)
  const ring = new KeyRing(createPolicies(config.limits, config.file.limits), configured)
  const seals = new Seals(config.keys, config.sessionSecrets[0])
  const keys = new KeySync({ store, ring, seals, configured, log, registry: telemetry.registry })
  await keys.start()
  const { app, adminApp } = createApps({
    ...surroundings,
    config,
    log,
    telemetry,
    transport,
    store,
    shelf,
    limits,
    calls,
    ring,
    seals,
    keys,
    upgrades,
    draining: () => stopping,
  })
  const handler = app.callback()
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, shouldUpgradeCallback: isWebSocketUpgrade }, handler)
  upgrades.handle(server, handler)
  const connections = new Connections(server)
  const port = await listen(server, config.port, config.host)
  const admin = adminApp && createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, adminApp.callback())
  const adminPort = admin && (await listen(admin, config.adminPort ?? 0, config.host, 'ADMIN_PORT'))
  const metrics = await startMetrics(config, () => telemetry.registry.metrics())
  log.info(
    { port, adminPort, metricsPort: metrics?.port, vendors: config.file.vendors.map(({ name }) => name) },
    'bff_started',
  )

  return {
    port,
    adminPort,
    metricsPort: metrics?.port,
    log,
    reload({ clientCertificate }) {
      if (clientCertificate !== undefined) transport.useClientCertificate(clientCertificate)
      log.info('configuration_reloaded')
    },
    async stop() {
      stopping = true
      const forced = setTimeout(() => {
        upgrades.drain()
        server.closeAllConnections()
      }, config.drainTimeoutMs)
      const closed = new Promise((resolve) => server.close(resolve))
      connections.closeIdle()
      admin?.close()
      admin?.closeAllConnections()
      await closed
      clearTimeout(forced)
      await calls.close()
      await keys.close()
      await upgrades.settled()
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
