import type { Logger } from './log.ts'

/** What a service does when it is told to stop. */
export interface Shutdown {
  /** Refuses new work, finishes or ends what runs, and returns when nothing is left. */
  stop(): Promise<void>
}

/** How often a process that is to end with its parent looks whether it has another one, in ms. */
const PARENT_POLL_MS = 500

/**
 * Runs `service.stop()` at the first SIGTERM or SIGINT, then exits with 0. A second signal exits at once with 1.
 * With FERRY_STOP_WITH_PARENT=1 the end of the process that started this one counts as SIGTERM (`npm start` sets it).
 */
export function stopOnSignal(service: Shutdown, log: Logger): void {
  let stopping = false
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stopping) {
      log.warn({ signal }, 'shutdown_forced')
      process.exit(1)
    }
    stopping = true
    log.info({ signal }, 'shutdown_started')
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
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  if (process.env.FERRY_STOP_WITH_PARENT === '1') onParentGone(() => onSignal('SIGTERM'))
}

function onParentGone(work: () => void): void {
  const parent = process.ppid
  const timer = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(timer)
    work()
  }, PARENT_POLL_MS)
  timer.unref()
}
