import { Counter, Gauge, type Logger, type Registry, type Shutdown } from '@llm-ferry/kit'
import { WorkerProcess } from './supervised.ts'
import { Totals } from './totals.ts'

/** Pause before a worker is started again: the first, and the longest, to which it doubles. */
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000
/** A worker that lived this long was well: its next pause is the first again. */
const WELL_AFTER_MS = 60_000
/** A worker that does not give its metrics in this time is left out with what it said before. */
const METRICS_TIMEOUT_MS = 2000

/** The workers of this process: each a process of its own, with a port of its own. */
export class Primary implements Shutdown {
  readonly #entry: string
  readonly #log: Logger
  readonly #own: Registry
  readonly #totals = new Totals()
  readonly #running = new Map<number, WorkerProcess>()
  readonly #pauses = new Map<NodeJS.Timeout, () => void>()
  readonly #restarts: Counter
  #stopping = false

  /**
   * @param entry file of the relay's own main.
   * @param own registry of this process; what it measures of itself is part of the page.
   */
  constructor(entry: string, log: Logger, own: Registry) {
    this.#entry = entry
    this.#log = log
    this.#own = own
    const registers = [own]
    this.#restarts = new Counter({
      name: 'relay_worker_restarts_total',
      help: 'Workers that ended by themselves and were started again.',
      registers,
    })
    const running = this.#running
    new Gauge({
      name: 'relay_workers_running',
      help: 'Worker processes alive; RELAY_WORKERS when all is well.',
      registers,
      collect() {
        this.set(running.size)
      },
    })
  }

  /** Starts `count` workers; returns their ports, or undefined when one could not start, which has then said why. */
  async start(count: number): Promise<readonly number[] | undefined> {
    process.once('exit', () => this.signal('SIGKILL'))
    const starts = Array.from({ length: count }, (_, index) => this.#launch(index))
    const ports = await Promise.all(starts.map(({ ready }) => ready))
    const listening = ports.filter((port) => port !== undefined)
    if (listening.length < count) return undefined
    starts.forEach((worker, index) => void this.#watch(worker, index, FIRST_PAUSE_MS))
    return listening
  }

  /** The metrics of all workers and of this process. */
  async page(): Promise<string> {
    const asked = [...this.#running].map(async ([index, worker]) => {
      const snapshot = await worker.metrics(METRICS_TIMEOUT_MS)
      if (snapshot !== undefined && this.#running.get(index) === worker) this.#totals.update(index, snapshot)
    })
    await Promise.all(asked)
    return this.#totals.page(await this.#own.getMetricsAsJSON())
  }

  /** Passes a signal on to all workers. */
  signal(signal: NodeJS.Signals): void {
    for (const worker of this.#running.values()) worker.signal(signal)
  }

  async stop(): Promise<void> {
    this.#stopping = true
    for (const [timer, resolve] of this.#pauses) {
      clearTimeout(timer)
      resolve()
    }
    const workers = [...this.#running.values()]
    for (const worker of workers) worker.stop()
    await Promise.all(workers.map(({ exited }) => exited))
  }

  #launch(index: number): WorkerProcess {
    const worker = new WorkerProcess(this.#entry, index)
    this.#running.set(index, worker)
    void worker.exited.then(async () => {
      this.#running.delete(index)
      await this.#totals.leave(index)
    })
    return worker
  }

  /** Starts a worker again whenever it ends, until everything stops. */
  async #watch(first: WorkerProcess, index: number, firstPauseMs: number): Promise<void> {
    let pauseMs = firstPauseMs
    for (let worker = first; ; worker = this.#launch(index)) {
      const { livedMs, ...exit } = await worker.exited
      if (this.#stopping) return
      if (livedMs > WELL_AFTER_MS) pauseMs = FIRST_PAUSE_MS
      this.#log.error({ worker: index, ...exit, restartInMs: pauseMs }, 'worker_ended')
      await this.#pause(pauseMs)
      if (this.#stopping) return
      this.#restarts.inc()
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#pauses.delete(timer)
        resolve()
      }, ms)
      this.#pauses.set(timer, resolve)
    })
  }
}
