import { readFileSync } from 'node:fs'
import type { Held } from './hold.ts'
import { differenceOf, type Result, ratioOf } from './rounds.ts'

interface Budgets {
  readonly ratios: readonly {
    readonly measure: string
    readonly target: string
    readonly base: string
    readonly goal: number
    readonly recorded: number
  }[]
  /** CPU above another target's, in ms for 1,000 requests or events. */
  readonly above: Budgets['ratios']
  readonly kibPerStream: readonly { readonly streams: number; readonly target: string; readonly goal: number }[]
}

/** A goal, what was reached when the figures were last recorded, and what is reached now. */
export interface Verdict {
  readonly what: string
  readonly goal: number
  readonly recorded: number | undefined
  readonly reached: number
}

/** A smoke fails from this multiple of the recorded figure on. */
const TOLERANCE = 1.5

const { ratios, above, kibPerStream }: Budgets = JSON.parse(
  readFileSync(new URL('budgets.json', import.meta.url), 'utf8'),
)

/** How the goals stand that these results speak of. */
export function judge(results: readonly Result[], held: readonly Held[]): Verdict[] {
  const resultOf = ({ measure, target, base }: Budgets['ratios'][number]): Result | undefined =>
    results.find(({ measure: { name }, samples }) => name === measure && samples.has(target) && samples.has(base))
  const byRatio = ratios.flatMap((budget) => {
    const { measure, target, base, goal, recorded } = budget
    const result = resultOf(budget)
    if (!result) return []
    const reached = ratioOf(result, target, base)?.median ?? Number.NaN
    return [{ what: `${target} / ${base}, CPU, ${measure}`, goal, recorded, reached }]
  })
  const byDifference = above.flatMap((budget) => {
    const { measure, target, base, goal, recorded } = budget
    const result = resultOf(budget)
    if (!result) return []
    const what = `${target} above ${base}, CPU ms for 1,000 ${result.measure.unit}, ${measure}`
    return [{ what, goal, recorded, reached: differenceOf(result, target, base) ?? Number.NaN }]
  })
  const byMemory = kibPerStream.flatMap(({ streams, target, goal }) => {
    const row = held.find((each) => each.target === target && each.streams === streams)
    return row
      ? [{ what: `${target}, KiB a stream at ${streams}`, goal, recorded: undefined, reached: row.kibPerStream }]
      : []
  })
  return [...byRatio, ...byDifference, ...byMemory]
}

/** Whether something got slower by more than noise explains, or failed: what could not be measured is no success. */
export const isBroken = ({ goal, recorded = goal, reached }: Verdict): boolean =>
  !(reached <= Math.max(goal, recorded) * TOLERANCE)
