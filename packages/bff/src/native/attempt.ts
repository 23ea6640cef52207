import { DIALECTS } from '@llm-ferry/kit'
import { FerryError } from '@llm-ferry/sdk'
import { jsonOrText, readWhole } from '../dispatch/answer.ts'
import { AttemptFailure } from '../dispatch/failure.ts'
import type { ResolvedTarget } from '../dispatch/resolve.ts'
import type { Exchange, OutgoingRequest, Sender } from '../transport.ts'
import { headersForCaller } from './headers.ts'

interface AnswerHead {
  readonly status: number
  /** As they go to the caller. */
  readonly headers: Readonly<Record<string, string | string[]>>
  readonly relay: string | undefined
}

/** An answer in one piece. */
export interface WholeAnswer extends AnswerHead {
  readonly kind: 'whole'
  readonly bytes: Buffer
}

/** An answer that comes piece by piece: events, or bytes such as sound. */
export interface FlowingAnswer extends AnswerHead {
  readonly kind: 'events' | 'bytes'
  readonly body: Exchange['body']
}

export type NativeAnswer = WholeAnswer | FlowingAnswer

/** The vendor's own error, which is the answer when nothing else helps. */
export class VendorRefusal extends AttemptFailure {
  readonly answer: WholeAnswer

  constructor(error: FerryError, answer: WholeAnswer) {
    super(error, 'vendor')
    this.answer = answer
  }
}

/** One attempt at a native call. @throws {AttemptFailure} */
export async function attemptNative(
  sender: Sender,
  target: ResolvedTarget,
  request: OutgoingRequest,
  signal: AbortSignal,
): Promise<NativeAnswer> {
  const exchange = await sender.send(target.config, request, signal)
  const { status, relay } = exchange
  const head = {
    status,
    relay,
    headers: headersForCaller(exchange.headers, target.adapter.native?.accountHeaders ?? /$^/),
  }
  if (status < 400) return successOf(exchange, head, signal)
  throw refusalOf(target, exchange, { ...head, kind: 'whole', bytes: await readWhole(exchange, signal) })
}

async function successOf(exchange: Exchange, head: AnswerHead, signal: AbortSignal): Promise<NativeAnswer> {
  const type = String(exchange.headers['content-type'] ?? '')
  if (/^text\/event-stream/i.test(type)) return { ...head, kind: 'events', body: exchange.body }
  const isText = /^(application\/(.+\+)?json|text\/)/i.test(type)
  if (!isText && hasContent(exchange))
    return { ...head, kind: 'bytes', headers: withLength(exchange, head), body: exchange.body }
  const bytes = await readWhole(exchange, signal)
  if (/json/i.test(type)) requireWhole(exchange, bytes)
  return { ...head, kind: 'whole', bytes }
}

const hasContent = ({ status, headers }: Exchange): boolean =>
  status !== 204 && status !== 304 && headers['content-length'] !== '0'

function withLength({ headers }: Exchange, head: AnswerHead): AnswerHead['headers'] {
  const length = headers['content-length']
  return length === undefined ? head.headers : { ...head.headers, 'content-length': length }
}

/** JSON that was cut where nothing else tells, such as at a connection's end. */
function requireWhole({ headers }: Exchange, bytes: Buffer): void {
  const encoding = headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity' || bytes.length === 0) return
  try {
    JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw new FerryError('upstream_truncated', 'The answer is not whole: it broke off before its end', { cause })
  }
}

function refusalOf(target: ResolvedTarget, exchange: Exchange, answer: WholeAnswer): AttemptFailure {
  const text = answer.bytes.toString('utf8')
  const { status, headers } = exchange
  const error = target.adapter.error({ status, headers, body: jsonOrText(text) }, target)
  // The vendor's words quote our key, and blame the caller's.
  if (isKeyFault(target, status, text))
    return new AttemptFailure(new FerryError('vendor_key_rejected', KEY_REFUSED), 'vendor')
  return new VendorRefusal(error, answer)
}

const KEY_REFUSED = 'The vendor refused the key of this service’s operator. Your own key is fine; tell the operator.'

function isKeyFault({ config }: ResolvedTarget, status: number, body: string): boolean {
  if (status === 401) return true
  const dialect = Object.values(DIALECTS).find(({ name }) => name === config.dialect)
  return dialect?.keyFaultStatuses.includes(status) === true && dialect.keyFault.test(body)
}
