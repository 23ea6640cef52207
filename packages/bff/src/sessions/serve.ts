import { checkUpgrade, credentialQuery, handshakePath, offeredProtocols } from '@llm-ferry/kit'
import { FerryError, HEADERS } from '@llm-ferry/sdk'
import type { WebSocket } from 'ws'
import type { Context } from '../context.ts'
import { type AttemptFailure, toFailure } from '../dispatch/failure.ts'
import type { ResolvedTarget } from '../dispatch/resolve.ts'
import type { CallAccount } from '../limits/account.ts'
import { asChat } from '../native/estimate.ts'
import { headersForVendor } from '../native/headers.ts'
import type { NativePath } from '../native/path.ts'
import { vendorPath } from '../native/request.ts'
import { type AdmissionOptions, admit, closeAccount, leaving } from '../routes/admission.ts'
import type { Telemetry } from '../telemetry.ts'
import type { Transport } from '../transport.ts'
import type { NativeSession } from '../vendors/native.ts'
import { SessionMeter } from './meter.ts'
import { acceptCaller, openToVendor } from './open.ts'
import { type SessionEnd, Tunnel } from './tunnel.ts'
import type { Upgrade, Upgrades } from './upgrades.ts'

export interface SessionsOptions extends AdmissionOptions {
  readonly transport: Transport
  readonly telemetry: Telemetry
  readonly upgrades: Upgrades
  readonly draining: () => boolean
  readonly maxBodyBytes: number
  readonly streamIdleTimeoutMs: number
}

/** What a session is about, as its address tells. */
interface Asked {
  readonly path: NativePath
  readonly target: ResolvedTarget
  readonly session: NativeSession | undefined
}

/** Serves WebSockets: OpenAI Realtime, Responses over WebSocket, Gemini Live. */
export class Sessions {
  readonly #options: SessionsOptions

  constructor(options: SessionsOptions) {
    this.#options = options
  }

  /**
   * Joins the caller and the vendor until one of them closes, as one call that takes a stream's place.
   *
   * @param choose the target of a model that the address names.
   * @throws {FerryError} while the caller has no answer to its upgrade.
   */
  async serve(
    context: Context,
    upgrade: Upgrade,
    path: NativePath,
    vendor: ResolvedTarget,
    choose: (model: string | undefined) => ResolvedTarget,
  ): Promise<void> {
    checkUpgrade(context.req)
    if (this.#options.draining()) throw new FerryError('draining', 'This process is about to stop. Connect again.')
    const { facts, caller } = context.state
    const session = vendor.adapter.native?.sessions?.find((each) => each.path.test(path.operation))
    const model = session?.modelOf(new URLSearchParams(path.query))
    const target = choose(model)
    // Without a model in the address any may be named later.
    if (!caller.access.allows(target.vendor, model === undefined ? undefined : target.model))
      throw new FerryError(
        'permission_denied',
        `This key may not open a session with ${model ?? 'any model'} of ${target.vendor}`,
        { param: 'model' },
      )
    facts.vendor = target.vendor
    facts.model = target.model
    facts.stream = true
    const account = await admit(context, this.#options, caller.user, asChat({ model, isStream: true }, {}))
    try {
      await this.#join(context, upgrade, { path, target, session }, account)
    } catch (thrown) {
      const failure = toFailure(thrown)
      account.fail(failure)
      throw failure.error
    } finally {
      await closeAccount(context, account)
    }
  }

  async #join(context: Context, upgrade: Upgrade, asked: Asked, account: CallAccount): Promise<void> {
    const { telemetry, streamIdleTimeoutMs: idleMs, maxBodyBytes } = this.#options
    const vendor = await this.#openVendor(context, asked)
    const caller = await acceptCaller(context.req, upgrade, vendor.protocol, ferryHeaders(context), maxBodyBytes).catch(
      (error: unknown) => {
        vendor.terminate()
        throw error
      },
    )
    context.respond = false
    context.res.statusCode = 101
    const { facts, arrivedAt } = context.state
    facts.upgraded = true
    const meter = new SessionMeter(asked.session)
    const closed = telemetry.sessionOpened(asked.target.vendor)
    const tunnel = new Tunnel({
      caller,
      vendor,
      idleMs,
      fromCaller: (message) => meter.fromCaller(message),
      fromVendor: (message) => {
        facts.firstByteSeconds ??= (performance.now() - arrivedAt) / 1000
        meter.fromVendor(message)
      },
    })
    vendor.resume()
    this.#options.upgrades.add(tunnel, context.state.requireStanding)
    const end = await tunnel.ended
    closed(end.code)
    settle(context, asked, account, meter, end)
  }

  async #openVendor(context: Context, { path, target }: Asked): Promise<WebSocket> {
    const { req } = context
    const below = handshakePath(vendorPath(path, target), credentialQuery(path.query))
    const { facts } = context.state
    const own = headersForVendor(req.rawHeaders, target.adapter.native?.accountHeaders ?? /$^/)
    const signal = leaving(context)
    const failures: AttemptFailure[] = []
    for (const address of this.#options.transport.sessionAddresses(target.config, below)) {
      facts.attempts = failures.length + 1
      if (address.relay !== undefined) facts.relay = address.relay
      const headers = { ...own, ...address.headers }
      try {
        return await openToVendor(target, { ...address, headers }, offeredProtocols(req.rawHeaders), signal)
      } catch (thrown) {
        const failure = toFailure(thrown)
        if (failure.origin !== 'unreached' || !failure.error.isRetryable) throw failure
        failures.push(failure)
      }
    }
    throw failures.at(-1)
  }
}

function ferryHeaders({ state }: Context): Record<string, string> {
  const { requestId, facts } = state
  return {
    [HEADERS.requestId]: requestId,
    'x-request-id': requestId,
    ...(facts.vendor !== undefined && { [HEADERS.vendor]: facts.vendor }),
    ...(facts.relay !== undefined && { [HEADERS.relay]: facts.relay }),
  }
}

function settle(
  context: Context,
  { session }: Asked,
  account: CallAccount,
  meter: SessionMeter,
  end: SessionEnd,
): void {
  const { facts } = context.state
  const { usage, isEstimated, model } = meter.use
  if (model !== undefined) facts.model = model
  // Of a session that nobody can read, nothing is known.
  if (session) account.meter.count(usage, !isEstimated)
  if (end.error === undefined) return
  facts.error = end.error.code
  account.fail(toFailure(end.error))
}
