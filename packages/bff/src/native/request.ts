import type { Readable } from 'node:stream'
import { DIALECTS, withoutKeyParameter } from '@llm-ferry/kit'
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
  readonly facts: NativeFacts
  readonly json: unknown
  readonly body: Uint8Array | Readable | string | undefined
  readonly hidesUsage: boolean
}

/**
 * Reads a request for the vendor, and refuses what its caller may not ask for before anything is sent.
 *
 * @throws {FerryError} `operation_not_allowed`, or for a body that cannot be read.
 */
export async function readNative(
  context: Context,
  path: NativePath,
  target: ResolvedTarget,
  rules: RequestRules,
): Promise<NativeRequest> {
  const dialect = target.adapter.native
  if (!dialect) throw notAllowed(`${target.vendor} has no native routes`)
  const found = findOperation(dialect, context.method, path.operation)
  if (!found && !rules.isFull) throw notAllowed(`${context.method} ${path.operation} is not one of its stateless calls`)
  const read = await readBody(context, found, rules)
  if (read.facts.keeps !== undefined && !rules.isFull) throw notAllowed(read.facts.keeps)
  return {
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

function notAllowed(why: string): FerryError {
  const message = `This key may not do this: ${why}. An operator can allow it with \`native: full\`.`
  return new FerryError('operation_not_allowed', message)
}

async function readBody(context: Context, found: Found | undefined, rules: RequestRules): Promise<ReadBody> {
  if (!found)
    return { ...NOTHING_SAID, body: hasBody(context) ? limitedUpload(context.req, rules.maxUploadBytes) : undefined }
  const { operation, match } = found
  if (operation.body === 'none') return { ...NOTHING_SAID, facts: operation.facts({}, match), body: undefined }
  const isForm = operation.body === 'form' && context.request.type === 'multipart/form-data'
  return isForm ? readForm(context, found, rules) : readObject(context, found, rules)
}

const NOTHING_SAID = { facts: { model: undefined, isStream: false }, json: {}, hidesUsage: false } as const

const hasBody = ({ req }: Context): boolean =>
  req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0

async function readForm(context: Context, { operation, match }: Found, rules: RequestRules): Promise<ReadBody> {
  const upload = limitedUpload(context.req, rules.maxUploadBytes)
  const { fields, body } = await peekForm(upload, context.get('content-type'))
  return { facts: operation.facts(fields, match), json: undefined, body, hidesUsage: false }
}

async function readObject(context: Context, { operation, match }: Found, rules: RequestRules): Promise<ReadBody> {
  const { bytes, text, value } = await readJsonBody(context, rules.maxBodyBytes)
  const json = record(value)
  if (!json) throw new FerryError('invalid_request', 'The body is not a JSON object')
  const asking = operation.usageOnDemand?.ask(json, text)
  return { facts: operation.facts(json, match), json, body: asking ?? bytes, hidesUsage: asking !== undefined }
}

function outgoingPath(path: NativePath, { config }: ResolvedTarget): string {
  const dialect = Object.values(DIALECTS).find(({ name }) => name === config.dialect) ?? DIALECTS.openai
  const below = config.route.kind === 'relay' ? path.path : directPath(path, dialect.defaultVersion)
  const query = dialect.credentialPlaces.includes('query') ? withoutKeyParameter(path.query) : path.query
  return query === '' ? below : `${below}?${query}`
}

function outgoingHeaders(
  context: Context,
  { accountHeaders }: NativeDialect,
  { body }: ReadBody,
): OutgoingRequest['headers'] {
  const headers = headersForVendor(context.req.rawHeaders, accountHeaders)
  // A body of ours is not compressed any more.
  if (typeof body === 'string') delete headers['content-encoding']
  const length = context.get('content-length')
  const isStreaming = body !== undefined && typeof body !== 'string' && !(body instanceof Uint8Array)
  return isStreaming && length !== '' ? { ...headers, 'content-length': length } : headers
}
