/**
 * Makes an async iterator of a function that gives items some at a time, and `undefined` at the end. Leaving the loop
 * calls `leave`, at once and also before the first item, which a generator's `finally` would not.
 */
export function iterate<T>(
  pull: () => Promise<readonly T[] | undefined>,
  leave: () => void,
): AsyncIterableIterator<T, undefined, undefined> {
  let items: readonly T[] | undefined = []
  let at = 0
  let last: Promise<unknown> = Promise.resolve()

  const step = async (): Promise<IteratorResult<T, undefined>> => {
    while (items && at >= items.length) {
      items = await pull()
      at = 0
    }
    return items ? { done: false, value: items[at++] as T } : { done: true, value: undefined }
  }
  return {
    next() {
      // One after the other, also for a caller that does not wait.
      const turn = last.then(step, step)
      last = turn
      return turn
    },
    async return() {
      items = undefined
      leave()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
