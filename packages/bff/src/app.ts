import Router from '@koa/router'
import type { Logger } from '@llm-ferry/kit'
import Koa from 'koa'
import { type CacheShelf, createCache } from './cache/open.ts'
import type { BffConfig } from './config.ts'
import type { Context, State } from './context.ts'
import { createFallbacks } from './dispatch/alias.ts'
import { Breakers } from './dispatch/breakers.ts'
import { createResolver, createTargets } from './dispatch/resolve.ts'
import { RetryBudgets } from './dispatch/retry-budget.ts'
import type { Calls } from './idempotency/calls.ts'
import { createIdempotency } from './idempotency/idempotent.ts'
import type { ImageNetwork } from './images/fetch-image.ts'
import { InlineImages } from './images/inline-images.ts'
import { KeyAdmin } from './keys/admin.ts'
import type { KeyRing } from './keys/ring.ts'
import type { Seals } from './keys/seals.ts'
import { SessionTokens } from './keys/session-tokens.ts'
import type { KeySync } from './keys/sync.ts'
import { createPrices } from './ledger/prices.ts'
import type { Limits } from './limits/limits.ts'
import { accessLog } from './middleware/access-log.ts'
import { createRefusals } from './middleware/admin-auth.ts'
import { auth, createFailures } from './middleware/auth.ts'
import { cors } from './middleware/cors.ts'
import { closeWhileDraining } from './middleware/drain.ts'
import { errors } from './middleware/errors.ts'
import { requestId } from './middleware/request-id.ts'
import { securityHeaders } from './middleware/security-headers.ts'
import { KeptReasoning } from './reasoning/kept-reasoning.ts'
import { createAudit } from './routes/admin/audit.ts'
import { adminRoutes } from './routes/admin/index.ts'
import { leaveCall } from './routes/calls.ts'
import { type ChatOptions, chat } from './routes/chat.ts'
import { docs, openApi } from './routes/docs.ts'
import { embeddings } from './routes/embeddings.ts'
import { health, ready } from './routes/health.ts'
import { metrics } from './routes/metrics.ts'
import { models } from './routes/models.ts'
import { hasNativeChat, type NativeOptions, native, nativeErrorBody, nativePlaces } from './routes/native.ts'
import { operation } from './routes/operation.ts'
import { sessionTokens } from './routes/session-tokens.ts'
import { usage } from './routes/usage.ts'
import { Sessions } from './sessions/serve.ts'
import type { Upgrades } from './sessions/upgrades.ts'
import type { Store } from './store/store.ts'
import type { Telemetry } from './telemetry.ts'
import type { Transport } from './transport.ts'
import type { VendorAdapter } from './vendors/vendor.ts'

/** What the app stands on. */
export interface AppParts {
  readonly config: BffConfig
  readonly log: Logger
  readonly telemetry: Telemetry
  readonly transport: Transport
  readonly store: Store
  readonly shelf: CacheShelf
  readonly limits: Limits
  /** Calls with an Idempotency-Key. */
  readonly calls: Calls
  /** The network that images are fetched from. Default: the internet. */
  readonly imageNetwork?: ImageNetwork | undefined
  /** Dialects by name. Default: those of vendors/registry.ts. */
  readonly dialects?: Readonly<Record<string, VendorAdapter>> | undefined
  readonly ring: KeyRing
  readonly seals: Seals
  readonly keys: KeySync
  /** Requests that ask for a WebSocket. */
  readonly upgrades: Upgrades
  /** Whether the process is about to stop. */
  readonly draining: () => boolean
}

/** The BFF's doors. */
export interface Apps {
  readonly app: Koa<State>
  /** The admin API, where it has a port of its own. */
  readonly adminApp: Koa<State> | undefined
}

/** The BFF's request path, from the top to the bottom. */
export function createApps(parts: AppParts): Apps {
  const { config, log, telemetry, store, ring, seals, keys, upgrades, draining } = parts
  const refusals = createRefusals(telemetry.registry)
  const prices = createPrices(config.file.prices)
  const options: ChatOptions = {
    ...config,
    ...parts,
    resolve: createResolver(config.file, parts.dialects),
    images: new InlineImages({
      allowed: config.file.imageHosts,
      network: parts.imageNetwork,
      onFetch: telemetry.imageFetched,
    }),
    fallbackOf: createFallbacks(config.file.aliases),
    repeats: new RetryBudgets(config.retryBudgetPercent, telemetry.repeatRefused),
    breakers: new Breakers({ onChange: telemetry.breakerChanged }),
    reasoning: new KeptReasoning({ store, secretOf: keptFor(ring, seals) }),
    cache: createCache({ ...parts, prices, registry: telemetry.registry }),
    prices,
  }
  const targetOf = createTargets(config.file, parts.dialects)
  const nativeOptions: NativeOptions = {
    ...config,
    ...options,
    targetOf,
    upgrades,
    sessions: new Sessions({ ...config, ...parts, ...options }),
  }
  const { trustedProxies } = config
  const sessions = new SessionTokens(config.sessionSecrets)
  const callers = {
    sessions,
    ring,
    seals,
    trustedProxies,
    refusals,
    failures: createFailures(),
    knowsAll: () => keys.isComplete,
  }
  const known = auth(callers)
  const knownToVendor = auth(callers, nativePlaces(targetOf, upgrades))
  const vendorErrors = errors(nativeErrorBody(targetOf))

  const idempotency = createIdempotency(parts.calls, config.maxBodyBytes)

  const router = new Router<State, Context>()
  router.get('/health', health(callers))
  router.get('/ready', ready(draining))
  if (config.metricsPort === undefined && config.metricsToken !== undefined) {
    router.get('/metrics', metrics(telemetry.registry, config.metricsToken))
  }
  router.get('/openapi.json', openApi())
  router.get('/docs{/:file}', docs())
  router.get('/v1/models', known, models(config.file))
  router.post('/v1/session-tokens', known, sessionTokens({ sessions, ring }))
  router.get('/v1/usage', known, usage({ store, quotaTimezone: config.quotaTimezone }))
  router.post('/v1/chat/completions', known, idempotency.on('chat', chat(options)))
  router.post('/v1/embeddings', known, idempotency.on('embeddings', embeddings(options)))
  for (const path of ['responses', 'audio/transcriptions', 'audio/speech', 'images/generations']) {
    router.post(`/v1/${path}`, known, idempotency.on(path, operation(path, { ...nativeOptions, ...options })))
  }
  const vendorChat = idempotency.on(
    'vendor-chat',
    chat(options, (context) => context.params.vendor),
  )
  router.post('/proxy/:vendor{/v1}/chat/completions', async (context, next) => {
    if (hasNativeChat(targetOf, context)) await next()
    else await known(context, () => vendorChat(context, next))
  })
  const vendorCall = idempotency.on('native', native(nativeOptions), nativeErrorBody(targetOf))
  router.all('/proxy/:vendor/*path', vendorErrors, knownToVendor, vendorCall)
  router.delete('/v1/calls/:key', known, leaveCall(parts.calls, idempotency.routes))

  const vendors = new Set(config.file.vendors.map(({ name }) => name))
  const admin = new KeyAdmin({ ring, sync: keys, vendors })
  const adminRouter = adminRoutes({ ...config, store, refusals, admin, audit: createAudit(log, trustedProxies) })
  const isAdminHere = config.adminTokens.length > 0 && config.adminPort === undefined
  const isAdminApart = config.adminTokens.length > 0 && config.adminPort !== undefined
  return {
    app: createDoor(parts, isAdminHere ? [router, adminRouter] : [router], config.corsOrigins),
    adminApp: isAdminApart ? createDoor(parts, [adminRouter], []) : undefined,
  }
}

/** What every request passes, and the routes behind it. */
function createDoor(
  { log, telemetry, draining }: AppParts,
  routers: readonly Router<State, Context>[],
  corsOrigins: readonly URL[],
): Koa<State> {
  const app = new Koa<State>()
  app.use(closeWhileDraining(draining))
  app.use(securityHeaders())
  app.use(requestId(log))
  app.use(accessLog(telemetry, log))
  app.use(cors(corsOrigins))
  app.use(errors())
  for (const router of routers) app.use(router.routes())
  for (const router of routers) app.use(router.allowedMethods())
  app.on('error', (error) => (isCallersLeaving(error) ? log.debug : log.error).call(log, { err: error }, 'koa_error'))
  return app
}

/** Koa reports a socket that the caller has closed; the access line says so already. */
function isCallersLeaving(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ECONNRESET' || code === 'EPIPE' || code === 'ECONNABORTED' || code === 'ERR_STREAM_PREMATURE_CLOSE'
}

/** What the reasoning of a key is sealed with; `undefined`: none is kept. */
function keptFor(ring: KeyRing, seals: Seals): (key: string) => string | undefined {
  return (key) => (ring.get(key)?.record.keepReasoning === false ? undefined : seals.of(key))
}
