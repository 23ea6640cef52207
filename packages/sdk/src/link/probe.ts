import type { Dispatcher } from 'undici'

/** What a relay says when it is asked whether it takes requests. */
export interface ProbeResult {
  readonly isReady: boolean
  readonly durationMs: number
}

/** How a probe is sent: over which of the connections. */
export type Send = (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) => boolean

/** Asks `GET /ready`; a connection that does not answer in time is cut. */
export function probe(send: Send, origin: string, path: string, timeoutMs: number): Promise<ProbeResult> {
  const startedAt = performance.now()
  return new Promise((resolve) => {
    let controller: Dispatcher.DispatchController | undefined
    let status = 0
    const over = (isReady: boolean): void => {
      clearTimeout(timer)
      resolve({ isReady, durationMs: performance.now() - startedAt })
    }
    const timer = setTimeout(() => {
      over(false)
      controller?.abort(new Error('the relay did not answer a probe'))
    }, timeoutMs)
    timer.unref()
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart(given) {
        controller = given
      },
      onResponseStart(_, code) {
        status = code
      },
      onResponseData() {},
      onResponseEnd: () => over(status === 200),
      onResponseError: () => over(false),
    }
    try {
      send({ origin, path, method: 'GET', headersTimeout: timeoutMs, bodyTimeout: timeoutMs }, handler)
    } catch {
      over(false)
    }
  })
}
