import type { Logger } from '@llm-ferry/kit'
import { DiagLogLevel, diag } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { Tracing } from './index.ts'
import type { TracingSettings } from './settings.ts'
import { spansOf } from './spans.ts'

/** How long the end waits for a receiver that does not answer, in ms. */
const FLUSH_MS = 3000

/** Tracing to an OTLP/HTTP receiver. Spans wait in a bounded queue; a receiver that fails costs spans and nothing else. */
export function createTracing({ endpoint, headers, serviceName, ratio }: TracingSettings, log: Logger): Tracing {
  logFaults(log)
  const url = `${endpoint.href.replace(/\/$/, '')}/v1/traces`
  const exporter = new OTLPTraceExporter({ url, headers: { ...headers } })
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName, 'process.pid': process.pid }),
    // Who calls decides for its own traces.
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    spanProcessors: [new BatchSpanProcessor({ exporter, scheduledDelayMillis: 2000 })],
  })
  const tracer = provider.getTracer('llm-ferry')
  return {
    record: (exchange) => spansOf(exchange, tracer),
    async stop() {
      const timeout = new Promise<void>((resolve) => setTimeout(resolve, FLUSH_MS).unref())
      await Promise.race([provider.shutdown().catch(() => {}), timeout])
    },
  }
}

// The text is not logged: it may name headers of the receiver.
function logFaults(log: Logger): void {
  const warn = (): void => log.warn('spans_not_sent')
  const nothing = (): void => {}
  diag.setLogger(
    { error: warn, warn: nothing, info: nothing, debug: nothing, verbose: nothing },
    { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true },
  )
}
