import {
  type Attributes,
  type Context,
  defaultTextMapGetter,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import type { Exchange } from '../exchange.ts'
import { statusOf } from '../telemetry.ts'
import type { Vendor } from '../vendor.ts'

const propagator = new W3CTraceContextPropagator()

/**
 * Makes the spans of a finished exchange: one for the caller's request, whose parent is the caller's own, and below it one
 * for the call to the vendor, by the GenAI conventions. Both begin when they really did. Nothing here reads a body, a
 * query or a header but traceparent and tracestate; a request without a known token makes none.
 *
 * https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
 */
export function spansOf(exchange: Exchange, tracer: Tracer): void {
  const { vendor, token, request, startedAt } = exchange
  if (vendor === undefined || token === undefined) return
  const parent = propagator.extract(ROOT_CONTEXT, request.headers, defaultTextMapGetter)
  const options = { kind: SpanKind.SERVER, startTime: epochMs(startedAt), attributes: serverAttributes(exchange) }
  const server = tracer.startSpan(`${request.method} /proxy/${vendor.name}`, options, parent)
  callSpan(exchange, vendor, tracer, trace.setSpan(parent, server))
  finish(server, statusOf(exchange) >= 500 || BROKEN.has(exchange.outcome ?? ''))
}

/** Ends that are nobody's wish. */
const BROKEN: ReadonlySet<string> = new Set(['upstream_truncated', 'drained'])

function callSpan(exchange: Exchange, vendor: Vendor, tracer: Tracer, parent: Context): void {
  const { sentAt, firstByteAt } = exchange
  if (sentAt === undefined) return
  const operation = operationName(exchange, vendor)
  const model = vendor.dialect.genAi.model?.exec(exchange.operation)?.[1]
  const name = [operation ?? exchange.request.method, model ?? (operation === undefined ? vendor.name : undefined)]
  const options = {
    kind: SpanKind.CLIENT,
    startTime: epochMs(sentAt),
    attributes: {
      ...callAttributes(exchange, vendor),
      ...known({ 'gen_ai.operation.name': operation, 'gen_ai.request.model': model }),
    },
  }
  const span = tracer.startSpan(name.filter((part) => part !== undefined).join(' '), options, parent)
  if (firstByteAt !== undefined) span.addEvent('first_byte', epochMs(firstByteAt))
  finish(span, errorType(exchange) !== undefined)
}

function operationName({ operation }: Exchange, { dialect }: Vendor): string | undefined {
  return dialect.genAi.operations.find(([pattern]) => pattern.test(operation))?.[1]
}

function serverAttributes(exchange: Exchange): Attributes {
  const { id, request, token, outcome } = exchange
  return known({
    'http.request.method': request.method,
    'http.route': '/proxy/{vendor}/{path}',
    'http.response.status_code': statusOf(exchange),
    'network.protocol.version': request.httpVersion,
    'error.type': errorType(exchange),
    'ferry.request_id': id,
    'ferry.token': token?.name,
    'ferry.outcome': outcome,
  })
}

function callAttributes(exchange: Exchange, { name, dialect, origin }: Vendor): Attributes {
  const { request, key, vendorRequestId, headAt } = exchange
  return known({
    'gen_ai.provider.name': name === dialect.name ? dialect.genAi.provider : name,
    'server.address': origin.hostname,
    'server.port': Number(origin.port || (origin.protocol === 'https:' ? 443 : 80)),
    'http.request.method': request.method,
    'http.response.status_code': headAt === undefined ? undefined : exchange.status,
    'error.type': errorType(exchange),
    'ferry.key': key?.label,
    'ferry.vendor_request_id': vendorRequestId,
  })
}

/** Why an exchange failed: our code, the vendor's status, or how it ended. */
function errorType(exchange: Exchange): string | undefined {
  const { errorCode, outcome } = exchange
  if (errorCode !== undefined) return errorCode
  const status = statusOf(exchange)
  if (status >= 400) return String(status)
  return outcome === undefined || outcome === 'completed' ? undefined : outcome
}

function known(attributes: Record<string, string | number | undefined>): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined))
}

function finish(span: Span, isError: boolean): void {
  if (isError) span.setStatus({ code: SpanStatusCode.ERROR })
  span.end(epochMs(performance.now()))
}

const epochMs = (time: number): number => performance.timeOrigin + time
