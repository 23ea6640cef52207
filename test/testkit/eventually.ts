import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until `condition` holds; throws with `what` after `timeoutMs`. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 5000,
): Promise<void> {
  for (const deadline = performance.now() + timeoutMs; !(await condition()); await sleep(10)) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`)
  }
}
