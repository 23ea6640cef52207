import type { Logger } from '@llm-ferry/kit'
import type { Exchange } from '../exchange.ts'
import type { TracingSettings } from './settings.ts'

export { otlpHeaders, share, type TracingSettings } from './settings.ts'

/** Makes spans of exchanges. */
export interface Tracing {
  /** Takes a finished exchange. */
  record(exchange: Exchange): void
  /** Sends what waits, for a few seconds at most. */
  stop(): Promise<void>
}

/** Starts tracing; without settings nothing of OpenTelemetry is even loaded. */
export async function startTracing(settings: TracingSettings | undefined, log: Logger): Promise<Tracing | undefined> {
  if (settings === undefined) return undefined
  const { createTracing } = await import('./otlp.ts')
  return createTracing(settings, log)
}
