import type { Logger } from '@llm-ferry/kit'
import type { Context, Middleware } from '../context.ts'
import type { Telemetry } from '../telemetry.ts'

/** One line and one set of measurements a request, when its answer has gone or its caller has. */
export function accessLog(telemetry: Telemetry, log: Logger): Middleware {
  // Redaction walks every field of every line; the fields of these are none of a caller's making.
  const lines = log.child({}, { redact: [] })
  return function accessLog(context, next) {
    context.res.once('close', () => record(context, telemetry, lines))
    return next()
  }
}

function record(context: Context, telemetry: Telemetry, lines: Logger): void {
  const { facts, arrivedAt, requestId } = context.state
  const seconds = (performance.now() - arrivedAt) / 1000
  if (!context.res.writableFinished && !facts.upgraded && facts.error === undefined) facts.error = 'client_closed'
  // The route as the router knows it: a path may hold what a caller put into it.
  const route: unknown = context._matchedRoute
  if (typeof route === 'string') facts.route = route
  telemetry.answered(facts, { method: context.method, status: context.res.statusCode, seconds })
  lines.info(
    {
      requestId,
      method: context.method,
      status: context.res.statusCode,
      seconds: Number(seconds.toFixed(4)),
      ...facts,
    },
    'request',
  )
}
