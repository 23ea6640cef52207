import type { Logger } from './log.ts'

/** What a service does when it is told to stop. */
export interface Shutdown {
  /** Refuses new work, finishes or ends what runs, and returns when nothing is left. */
  stop(): Promise<void>
}

/** How often a process that is to end with its parent looks whether it has another one, in ms. */
const PARENT_POLL_MS = 500
/** Taken at once: the parent may end while the service starts. */
const PARENT = process.ppid

/**
 * Runs `service.stop()` at the first SIGTERM or SIGINT, then exits with 0. A second signal exits at once with 1.
 * With FERRY_STOP_WITH_PARENT=1 it stops as well when the process that started this one ends (`npm start` sets it);
 * that is no second signal: what drains already may go on.
 */
export function stopOnSignal(service: Shutdown, log: Logger): void {
  let stopping = false
  const stop = (reason: { signal: NodeJS.Signals } | { parentGone: true }): void => {
    if (stopping) return
    stopping = true
    log.info(reason, 'shutdown_started')
    service.stop().then(
      () => {
        log.info('shutdown_done')
        process.exit(0)
      },
      (error: unknown) => {
        log.error({ err: error }, 'shutdown_failed')
        process.exit(1)
      },
    )
  }
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping) {
      log.warn({ signal }, 'shutdown_forced')
      process.exit(1)
    }
    stop({ signal })
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  if (process.env.FERRY_STOP_WITH_PARENT === '1') onParentGone(() => stop({ parentGone: true }))
}

function onParentGone(work: () => void): void {
  const timer = setInterval(() => {
    if (process.ppid === PARENT) return
    clearInterval(timer)
    work()
  }, PARENT_POLL_MS)
  timer.unref()
}
