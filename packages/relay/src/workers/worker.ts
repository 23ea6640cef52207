import type { Registry, Shutdown } from '@llm-ferry/kit'
import type { FromWorker, ToWorker } from './messages.ts'

/** Serves as one of several workers: the primary process asks for metrics and says when to stop. */
export function serveAsWorker(relay: Shutdown, registry: Registry, port: number): void {
  const tell = (message: FromWorker): void => {
    if (process.connected) process.send?.(message)
  }
  const stop = once(() => {
    relay.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    )
  })
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'stop') stop()
    else void registry.getMetricsAsJSON().then((snapshot) => tell({ kind: 'metrics', id: message.id, snapshot }))
  })
  // A terminal or a supervisor signals the whole group: the primary hears it too, and says it once.
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => {})
  // The next primary needs the port; whoever killed this one has killed the streams with it.
  process.once('disconnect', () => process.exit(1))
  tell({ kind: 'ready', port })
}

function once(run: () => void): () => void {
  let ran = false
  return () => {
    if (ran) return
    ran = true
    run()
  }
}
