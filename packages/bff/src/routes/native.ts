import type { CredentialPlace } from '@llm-ferry/kit'
import { FerryError } from '@llm-ferry/sdk'
import type { FileConfig } from '../config-file.ts'
import type { Context, Middleware } from '../context.ts'
import { callTimeoutMs, Deadline, type TimeoutBounds } from '../dispatch/deadline.ts'
import { toFailure } from '../dispatch/failure.ts'
import type { ResolvedTarget, Targets } from '../dispatch/resolve.ts'
import { errorBody } from '../error-body.ts'
import { PLACES } from '../middleware/auth.ts'
import { type NativeCallOptions, serveNative, wireDialect } from '../native/call.ts'
import { type NativePath, nativePath } from '../native/path.ts'
import { type NativeRequest, notAllowed, readNative } from '../native/request.ts'
import type { Sessions } from '../sessions/serve.ts'
import type { Upgrades } from '../sessions/upgrades.ts'
import { isReadOnce, type Transport } from '../transport.ts'
import { type AdmissionOptions, admit, closeAccount, endUser, leaving } from './admission.ts'

export interface NativeOptions extends AdmissionOptions, NativeCallOptions, TimeoutBounds {
  readonly upgrades: Upgrades
  readonly sessions: Sessions
  readonly file: FileConfig
  readonly targetOf: Targets
  readonly maxBodyBytes: number
  readonly maxUploadBytes: number
  readonly transport: Transport
}

/** `ALL /proxy/{vendor}/{path}`: the vendor's own interface, for its own SDKs. */
export function native(options: NativeOptions): Middleware {
  return async function native(context) {
    const path = nativePath(context.req.url ?? '')
    const vendor = options.targetOf(path.vendor, '')
    if (!vendor) throw new FerryError('vendor_not_found', `No vendor "${path.vendor}" is configured here`)
    const choose = (model: string | undefined): ResolvedTarget => options.targetOf(path.vendor, model ?? '') ?? vendor
    const upgrade = options.upgrades.of(context.req)
    if (!upgrade) return pass(context, path, vendor, choose, options)
    if (context.state.caller.native !== 'full') throw notAllowed('a WebSocket keeps its session in the vendor account')
    await options.sessions.serve(context, upgrade, path, vendor, choose)
  }
}

/** Passes a request on to the vendor of its target, under limits, and the answer back. */
export async function pass(
  context: Context,
  path: NativePath,
  vendor: ResolvedTarget,
  choose: (model: string | undefined) => ResolvedTarget,
  options: NativeOptions,
): Promise<void> {
  const { facts, caller } = context.state
  facts.vendor = vendor.vendor
  if (caller.native === 'none') {
    throw new FerryError(
      'operation_not_allowed',
      'This session token was not minted for native routes: mint it with `native`',
    )
  }
  const isFull = caller.native === 'full'
  const request = await readNative(context, path, vendor, choose, { ...options, isFull })
  const { target } = request
  requireAccess(context, request)
  facts.vendor = target.vendor
  facts.model = target.model
  facts.stream = request.facts.isStream
  const isFree = (request.operation?.answer ?? 'free') === 'free'
  const user = endUser(context, request.facts.user)
  const account = await admit(context, options, user, request.asChat, isFree)
  const sender = options.transport.for({ key: caller.key, user }, context.state.call)
  const left = leaving(context)
  const deadline = new Deadline(timeoutMs(context, request, options), left)
  try {
    await serveNative({ context, path, target, request, account, sender, deadline, left }, options)
  } catch (thrown) {
    const failure = toFailure(thrown)
    account.fail(failure)
    throw failure.error
  } finally {
    deadline.met()
    await closeAccount(context, account)
  }
}

/** A request that names no model may mean any, unless it only reads what everybody may read. */
function requireAccess({ method, state }: Context, { target, facts, operation }: NativeRequest): void {
  const isList = method === 'GET' && operation?.answer === 'free'
  if (facts.model !== undefined || !isList) {
    if (state.caller.access.allows(target.vendor, facts.model === undefined ? undefined : target.model)) return
  } else if (state.caller.access.allowsSome(target.vendor)) return
  const what = facts.model === undefined ? `all of ${target.vendor}` : `${target.vendor}/${target.model}`
  throw new FerryError('permission_denied', `This key may not use ${what}: GET /v1/models lists what it may`, {
    param: 'model',
  })
}

/** An upload's own time is not the vendor's. */
function timeoutMs({ req }: Context, { outgoing, target }: NativeRequest, bounds: TimeoutBounds): number {
  return callTimeoutMs(req.headers, isReadOnce(outgoing) ? bounds.maxRequestTimeoutMs : target.timeoutMs, bounds)
}

/** Whether `chat/completions` is the vendor's own; where a vendor has no such path, it is the normalized chat. */
export function hasNativeChat(targetOf: Targets, context: Context): boolean {
  const target = targetOf(vendorOf(context), '')
  if (!target) return true
  const operations = target.adapter.native?.operations ?? []
  return operations.some(({ method, path }) => method === 'POST' && path.test('chat/completions'))
}

/** Words an error as the vendor's own SDKs read it. */
export function nativeErrorBody(targetOf: Targets): (error: FerryError, context: Context) => object {
  return (error, context) => {
    const target = targetOf(vendorOf(context), '')
    if (!target) return errorBody(error)
    const { requestId } = context.state
    const { requestIdHeader, errorBody: write } = wireDialect(target)
    context.set(requestIdHeader, requestId)
    if (!context.req.complete) context.set('connection', 'close')
    const { status, code, message } = error
    return JSON.parse(write({ status, code, message, requestId })) as object
  }
}

/** Where the vendor's SDKs put a key; anywhere for one that is not known. */
export function nativePlaces(targetOf: Targets, upgrades: Upgrades): (context: Context) => readonly CredentialPlace[] {
  return (context) => {
    const target = targetOf(vendorOf(context), '')
    if (!target) return PLACES
    const { credentialPlaces, webSocketPlaces } = wireDialect(target)
    return upgrades.of(context.req) ? webSocketPlaces : credentialPlaces
  }
}

const vendorOf = ({ params }: Context): string => (params as { vendor?: string }).vendor ?? ''
