import type { Store } from '../store/store.ts'
import { fieldOf, MEASURES, parseField, prefixOf } from './usage-fields.ts'

/** Fields that are asked for at once. */
const BATCH = 2000

/** Sums of one key’s end users on one day. */
export interface TopUsers {
  /** Beginnings of fields of those with the most calls. */
  readonly groups: readonly string[]
  /** Whether there are others. */
  readonly isCut: boolean
}

/**
 * The end users, by vendor and model, with the most calls. However many there are, no more than twice as many as asked for
 * are held.
 *
 * @param key of the day’s sums.
 */
export async function topUsers(store: Store, key: string, limit: number): Promise<TopUsers> {
  let calls = new Map<string, number>()
  let isCut = false
  const keepTop = (): void => {
    if (calls.size <= limit) return
    isCut = true
    calls = new Map([...calls].sort(([, a], [, b]) => b - a).slice(0, limit))
  }
  await store.scanSums(key, prefixOf('user'), (field, amount) => {
    const sum = parseField(field)
    if (sum === undefined) return
    // Who only used attempts that were given up has no calls, and a line all the same.
    calls.set(sum.group, sum.measure === 'calls' ? amount : (calls.get(sum.group) ?? 0))
    if (calls.size >= limit * 2) keepTop()
  })
  keepTop()
  return { groups: [...calls.keys()], isCut }
}

/** All sums of these groups, by their fields. */
export async function sumsOf(
  store: Store,
  key: string,
  groups: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const fields = groups.flatMap((group) => MEASURES.map((measure) => fieldOf(group, measure)))
  const all = new Map<string, number>()
  for (let i = 0; i < fields.length; i += BATCH) {
    for (const [field, amount] of await store.sums(key, fields.slice(i, i + BATCH))) all.set(field, amount)
  }
  return all
}
