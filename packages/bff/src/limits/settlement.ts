import type { Store } from '../store/store.ts'
import type { Reservation } from './limiter.ts'
import type { Amounts } from './policy.ts'
import { SETTLE } from './settle.ts'

/** One run of {@link SETTLE}, as it can be kept in a file and done later. */
export interface Settlement {
  readonly keys: readonly string[]
  readonly args: readonly string[]
}

/** How long a shared store remembers that a call was settled, in ms: until then a settlement may be replayed. */
const SHARED_MEMORY_MS = 86_400_000
/** The same for a store in process, where nothing is replayed. */
const OWN_MEMORY_MS = 60_000

export const settledMemoryMs = ({ isShared }: Store): number => (isShared ? SHARED_MEMORY_MS : OWN_MEMORY_MS)

/** Puts what was used in place of what was reserved. */
export function settlementOf(reservation: Reservation, used: Amounts, memoryMs: number): Settlement {
  const { callId, keys, windows, rules, reserved } = reservation
  const args = [callId, ...windows.map(({ endMs }) => String(endMs)), String(memoryMs)]
  for (const { window, field, unit } of rules) {
    args.push(String(window + 1), field, String(reserved[unit]), String(used[unit]))
  }
  return { keys, args }
}

export async function settle(store: Store, { keys, args }: Settlement): Promise<void> {
  await store.run(SETTLE, keys, args)
}
