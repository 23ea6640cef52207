import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { DIALECTS, type Dialect, withoutKeyParameter } from '@llm-ferry/kit'
import { type ChatRequest, FerryError } from '@llm-ferry/sdk'
import type { Context } from '../context.ts'
import type { ResolvedTarget } from '../dispatch/resolve.ts'
import { readJsonBody } from '../middleware/body.ts'
import type { OutgoingRequest } from '../transport.ts'
import type { NativeDialect, NativeFacts, NativeOperation } from '../vendors/native.ts'
import { record } from '../vendors/shared/json.ts'
import { asChat } from './estimate.ts'
import { headersForVendor } from './headers.ts'
import { directPath, type NativePath } from './path.ts'
import { limitedUpload, peekForm } from './upload.ts'

/** Bounds of what a request may bring, and whether it may keep state at the vendor. */
export interface RequestRules {
  readonly maxBodyBytes: number
  readonly maxUploadBytes: number
  /** The key may do everything. */
  readonly isFull: boolean
}

/** A native request, read as far as it must be. */
export interface NativeRequest {
  readonly target: ResolvedTarget
  /** `undefined`: none of those that are known; the key may do everything. */
  readonly operation: NativeOperation | undefined
  readonly facts: NativeFacts
  /** The same as a chat, to be estimated by. */
  readonly asChat: ChatRequest
  readonly outgoing: OutgoingRequest
  /** Events that only tell the usage that was asked for are not the caller's. */
  readonly hidesUsage: boolean
}

interface ReadBody {
  readonly target: ResolvedTarget
  readonly facts: NativeFacts
  readonly json: unknown
  readonly body: Uint8Array | Readable | string | undefined
  readonly hidesUsage: boolean
}

/**
 * Reads a request for the vendor, and refuses what its caller may not ask for before anything is sent.
 *
 * @param vendor whose interface it is.
 * @param choose the target for the model that the request names; where that has another name there, the body gets it.
 * @throws {FerryError} `operation_not_allowed`, or for a body that cannot be read.
 */
export async function readNative(
  context: Context,
  path: NativePath,
  vendor: ResolvedTarget,
  choose: (model: string | undefined) => ResolvedTarget,
  rules: RequestRules,
): Promise<NativeRequest> {
  const dialect = vendor.adapter.native
  if (!dialect) throw notAllowed(`${vendor.vendor} has no native routes`)
  const found = findOperation(dialect, context.method, path.operation)
  if (!found && !rules.isFull) throw notAllowed(`${context.method} ${path.operation} is not one of its stateless calls`)
  const read = await readBody(context, found, rules, choose)
  if (read.facts.keeps !== undefined && !rules.isFull) throw notAllowed(read.facts.keeps)
  const { target } = read
  return {
    target,
    operation: found?.operation,
    facts: read.facts,
    asChat: asChat(read.facts, read.json),
    outgoing: {
      method: context.method,
      path: outgoingPath(path, target),
      headers: outgoingHeaders(context, dialect, read),
      body: read.body,
    },
    hidesUsage: read.hidesUsage,
  }
}

type Choose = (model: string | undefined) => ResolvedTarget

interface Found {
  readonly operation: NativeOperation
  readonly match: RegExpExecArray
}

function findOperation({ operations }: NativeDialect, method: string, path: string): Found | undefined {
  for (const operation of operations) {
    const match = operation.method === method ? operation.path.exec(path) : null
    if (match) return { operation, match }
  }
  return undefined
}

export function notAllowed(why: string): FerryError {
  const message = `This key may not do this: ${why}. An operator can allow it with \`native: full\`.`
  return new FerryError('operation_not_allowed', message)
}

async function readBody(
  context: Context,
  found: Found | undefined,
  rules: RequestRules,
  choose: Choose,
): Promise<ReadBody> {
  if (!found || found.operation.body === 'none') {
    const facts = found?.operation.facts({}, found.match) ?? { model: undefined, isStream: false }
    const body = !found && hasBody(context) ? limitedUpload(context, rules.maxUploadBytes) : undefined
    return { target: choose(facts.model), facts, json: {}, body, hidesUsage: false }
  }
  const isForm = found.operation.body === 'form' && context.request.type === 'multipart/form-data'
  return isForm ? readForm(context, found, rules, choose) : readObject(context, found, rules, choose)
}

const hasBody = ({ req }: Context): boolean =>
  req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0

async function readForm(
  context: Context,
  { operation, match }: Found,
  rules: RequestRules,
  choose: Choose,
): Promise<ReadBody> {
  const upload = limitedUpload(context, rules.maxUploadBytes)
  const { fields, body } = await peekForm(upload, context.get('content-type'), (model) => choose(model).model)
  const facts = operation.facts(fields, match)
  // What is held may be sent again.
  const sent = context.state.body ? await buffer(body) : body
  return { target: choose(facts.model), facts, json: undefined, body: sent, hidesUsage: false }
}

async function readObject(
  context: Context,
  { operation, match }: Found,
  rules: RequestRules,
  choose: Choose,
): Promise<ReadBody> {
  const { bytes, text, value } = await readJsonBody(context, rules.maxBodyBytes)
  const json = record(value)
  if (!json) throw new FerryError('invalid_request', 'The body is not a JSON object')
  const facts = operation.facts(json, match)
  const target = choose(facts.model)
  const renamed = json.model !== undefined && json.model !== target.model ? { ...json, model: target.model } : undefined
  const source = renamed === undefined ? text : JSON.stringify(renamed)
  const asking = operation.usageOnDemand?.ask(renamed ?? json, source)
  const body = asking ?? (renamed === undefined ? bytes : source)
  return { target, facts, json, body, hidesUsage: asking !== undefined }
}

/** The path for the vendor, without a query: a relay puts versions in front itself. */
export function vendorPath(path: NativePath, { config }: ResolvedTarget): string {
  return config.route.kind === 'relay' ? path.path : directPath(path, dialectOf(config).defaultVersion)
}

function outgoingPath(path: NativePath, target: ResolvedTarget): string {
  const below = vendorPath(path, target)
  const inQuery = dialectOf(target.config).credentialPlaces.includes('query')
  const query = inQuery ? withoutKeyParameter(path.query) : path.query
  return query === '' ? below : `${below}?${query}`
}

function dialectOf({ dialect }: ResolvedTarget['config']): Dialect {
  return Object.values(DIALECTS).find(({ name }) => name === dialect) ?? DIALECTS.openai
}

function outgoingHeaders(
  context: Context,
  { accountHeaders }: NativeDialect,
  { body, facts, target }: ReadBody,
): OutgoingRequest['headers'] {
  // Another name for the model is another length.
  const isRenamed = facts.model !== undefined && facts.model !== target.model
  const headers = headersForVendor(context.req.rawHeaders, accountHeaders)
  // A body of ours is not compressed any more.
  if (typeof body === 'string') delete headers['content-encoding']
  const length = context.get('content-length')
  const isUpload = body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array)
  return isUpload && !isRenamed && length !== '' ? { ...headers, 'content-length': length } : headers
}
