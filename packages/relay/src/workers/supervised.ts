import { type ChildProcess, fork } from 'node:child_process'
import type { FromWorker, Snapshot, ToWorker } from './messages.ts'
import { workerArgument } from './messages.ts'

/** How a worker's process ended. */
export interface WorkerExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly pid: number | undefined
  /** How long it lived, in ms. */
  readonly livedMs: number
}

/** One process that serves as a worker. */
export class WorkerProcess {
  /** Resolves with its port, or undefined when it ended before it listened. */
  readonly ready: Promise<number | undefined>
  readonly exited: Promise<WorkerExit>
  readonly #child: ChildProcess
  readonly #questions = new Map<number, (snapshot: Snapshot | undefined) => void>()
  #lastId = 0

  /** @param entry file of the relay's own main. */
  constructor(entry: string, index: number) {
    const startedAt = performance.now()
    const child = fork(entry, [workerArgument(index)], { serialization: 'advanced' })
    this.#child = child
    child.on('error', () => {})
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        for (const answer of this.#questions.values()) answer(undefined)
        resolve({ code, signal, pid: child.pid, livedMs: performance.now() - startedAt })
      })
    })
    const listening = new Promise<number>((resolve) => {
      child.on('message', (message: FromWorker) => {
        if (message.kind === 'ready') resolve(message.port)
        else this.#questions.get(message.id)?.(message.snapshot)
      })
    })
    this.ready = Promise.race([listening, this.exited.then(() => undefined)])
  }

  /** Its metrics; undefined when it does not say in time. */
  metrics(timeoutMs: number): Promise<Snapshot | undefined> {
    const id = ++this.#lastId
    return new Promise((resolve) => {
      const answer = (snapshot: Snapshot | undefined): void => {
        clearTimeout(timer)
        this.#questions.delete(id)
        resolve(snapshot)
      }
      const timer = setTimeout(answer, timeoutMs, undefined)
      this.#questions.set(id, answer)
      this.#tell({ kind: 'metrics', id })
    })
  }

  /** Lets it drain and end. */
  stop(): void {
    this.#tell({ kind: 'stop' })
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  #tell(message: ToWorker): void {
    // Of a worker that is just ending we hear by its exit.
    if (this.#child.connected) this.#child.send(message, () => {})
  }
}
