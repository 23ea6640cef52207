import { eventLines, type LineFields, type Logger } from '@llm-ferry/kit'
import type { Exchange } from './exchange.ts'
import { statusOf } from './telemetry.ts'

/** Writes one line for each finished exchange. */
export interface AccessLog {
  write(exchange: Exchange): void
}

/**
 * The access log. A line says who (name of the token, address), what (vendor, method, path without its query) and how it
 * went (status, outcome, durations, bytes); never a key, a token, a query, a header or a body.
 */
export function createAccessLog(log: Logger): AccessLog {
  const write = eventLines(log, 'request')
  return {
    write(exchange) {
      // Probes come every few seconds and say nothing.
      if (exchange.vendor === undefined && exchange.errorCode === undefined) return
      write(fieldsOf(exchange))
    },
  }
}

function fieldsOf(exchange: Exchange): LineFields {
  const { request, startedAt, sentAt, headAt, firstByteAt } = exchange
  return {
    requestId: exchange.id,
    callerRequestId: plainId(request.headers['x-request-id']),
    vendorRequestId: exchange.vendorRequestId,
    tokenName: exchange.token?.name,
    address: exchange.address,
    vendor: exchange.vendor?.name,
    keyLabel: exchange.key?.label,
    method: request.method,
    path: exchange.path.slice(0, 200),
    status: statusOf(exchange),
    outcome: exchange.outcome,
    code: exchange.errorCode,
    bytesIn: exchange.bytesIn,
    bytesOut: exchange.bytesOut,
    headMs: since(sentAt, headAt),
    firstByteMs: since(startedAt, firstByteAt),
    totalMs: since(startedAt, performance.now()),
  }
}

// Whatever a stranger sends under this name, no credential has this form and length.
const plainId = (id: string | string[] | undefined): string | undefined =>
  typeof id === 'string' && /^[\w.:-]{1,64}$/.test(id) ? id : undefined

const since = (from: number | undefined, to: number | undefined): number | undefined =>
  from === undefined || to === undefined ? undefined : Math.round((to - from) * 10) / 10
