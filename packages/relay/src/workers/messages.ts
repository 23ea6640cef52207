/** A registry's metrics as plain objects, which travel between processes. */
export type Snapshot = readonly object[]

/** What the primary process tells a worker. */
export type ToWorker =
  /** Send your metrics; the answer has the same id. */
  | { readonly kind: 'metrics'; readonly id: number }
  /** Drain and end. */
  | { readonly kind: 'stop' }

/** What a worker tells the primary process. */
export type FromWorker =
  | { readonly kind: 'ready'; readonly port: number }
  | { readonly kind: 'metrics'; readonly id: number; readonly snapshot: Snapshot }

/** How a worker is told which one it is: the argument after the entry file. */
const ARGUMENT = '--worker='

/** The argument that starts worker `index`. */
export const workerArgument = (index: number): string => `${ARGUMENT}${index}`

/** Which worker this process is; undefined when it is none. */
export function workerIndex(argv: readonly string[]): number | undefined {
  const argument = argv.find((text) => text.startsWith(ARGUMENT))
  return argument === undefined ? undefined : Number(argument.slice(ARGUMENT.length))
}
