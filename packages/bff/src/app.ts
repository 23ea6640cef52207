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
import type { ImageNetwork } from './images/fetch-image.ts'
import { InlineImages } from './images/inline-images.ts'
import type { KeyRing } from './keys/ring.ts'
import type { Seals } from './keys/seals.ts'
import { createPrices } from './ledger/prices.ts'
import type { Limits } from './limits/limits.ts'
import { accessLog } from './middleware/access-log.ts'
import { auth } from './middleware/auth.ts'
import { cors } from './middleware/cors.ts'
import { closeWhileDraining } from './middleware/drain.ts'
import { errors } from './middleware/errors.ts'
import { requestId } from './middleware/request-id.ts'
import { securityHeaders } from './middleware/security-headers.ts'
import { KeptReasoning } from './reasoning/kept-reasoning.ts'
import { type ChatOptions, chat } from './routes/chat.ts'
import { docs, openApi } from './routes/docs.ts'
import { embeddings } from './routes/embeddings.ts'
import { health, ready } from './routes/health.ts'
import { metrics } from './routes/metrics.ts'
import { models } from './routes/models.ts'
import { hasNativeChat, type NativeOptions, native, nativeErrorBody, nativePlaces } from './routes/native.ts'
import { operation } from './routes/operation.ts'
import { usage } from './routes/usage.ts'
import type { Store } from './store/store.ts'
import type { Telemetry } from './telemetry.ts'
import type { Transport } from './transport.ts'

/** What the app stands on. */
export interface AppParts {
  readonly config: BffConfig
  readonly log: Logger
  readonly telemetry: Telemetry
  readonly transport: Transport
  readonly store: Store
  readonly shelf: CacheShelf
  readonly limits: Limits
  /** The network that images are fetched from. Default: the internet. */
  readonly imageNetwork?: ImageNetwork | undefined
  readonly ring: KeyRing
  readonly seals: Seals
  /** Whether the process is about to stop. */
  readonly draining: () => boolean
}

/** The BFF's request path, from the top to the bottom. */
export function createApp(parts: AppParts): Koa<State> {
  const { config, log, telemetry, store, ring, seals, draining } = parts
  const prices = createPrices(config.file.prices)
  const options: ChatOptions = {
    ...config,
    ...parts,
    resolve: createResolver(config.file),
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
  const targetOf = createTargets(config.file)
  const nativeOptions: NativeOptions = { ...config, ...options, targetOf }
  const callers = { ring, seals, trustedProxies: config.trustedProxies }
  const known = auth(callers)
  const knownToVendor = auth(callers, nativePlaces(targetOf))
  const vendorErrors = errors(nativeErrorBody(targetOf))

  const router = new Router<State, Context>()
  router.get('/health', health())
  router.get('/ready', ready(draining))
  if (config.metricsPort === undefined && config.metricsToken !== undefined) {
    router.get('/metrics', metrics(telemetry.registry, config.metricsToken))
  }
  router.get('/openapi.json', openApi())
  router.get('/docs{/:file}', docs())
  router.get('/v1/models', known, models(config.file))
  router.get('/v1/usage', known, usage({ store, quotaTimezone: config.quotaTimezone }))
  router.post('/v1/chat/completions', known, chat(options))
  router.post('/v1/embeddings', known, embeddings(options))
  for (const path of ['responses', 'audio/transcriptions', 'audio/speech', 'images/generations']) {
    router.post(`/v1/${path}`, known, operation(path, { ...nativeOptions, ...options }))
  }
  const vendorChat = chat(options, (context) => context.params.vendor)
  router.post('/proxy/:vendor{/v1}/chat/completions', async (context, next) => {
    if (hasNativeChat(targetOf, context)) await next()
    else await known(context, () => vendorChat(context, next))
  })
  router.all('/proxy/:vendor/*path', vendorErrors, knownToVendor, native(nativeOptions))

  const app = new Koa<State>()
  app.use(closeWhileDraining(draining))
  app.use(securityHeaders())
  app.use(requestId(log))
  app.use(accessLog(telemetry, log))
  app.use(cors(config.corsOrigins))
  app.use(errors())
  app.use(router.routes())
  app.use(router.allowedMethods())
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
