import { readFileSync } from 'node:fs'
import type { Held } from './hold.ts'
import { type Result, ratioOf } from './rounds.ts'

interface Budgets {
  readonly ratios: readonly {
    readonly measure: string
    readonly target: string
    readonly base: string
    readonly goal: number
    readonly recorded: number
  }[]
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

const { ratios, kibPerStream }: Budgets = JSON.parse(readFileSync(new URL('budgets.json', import.meta.url), 'utf8'))

/** How the goals stand that these results speak of. */
export function judge(results: readonly Result[], held: readonly Held[]): Verdict[] {
  const byRatio = ratios.flatMap(({ measure, target, base, goal, recorded }) => {
    const result = results.find((each) => each.measure.name === measure)
    const wanted = result?.samples.has(target) && result.samples.has(base)
    if (!result || !wanted) return []
    const reached = ratioOf(result, target, base)?.median ?? Number.NaN
    return [{ what: `${target} / ${base}, CPU, ${measure}`, goal, recorded, reached }]
  })
  const byMemory = kibPerStream.flatMap(({ streams, target, goal }) => {
    const row = held.find((each) => each.target === target && each.streams === streams)
    return row
      ? [{ what: `${target}, KiB a stream at ${streams}`, goal, recorded: undefined, reached: row.kibPerStream }]
      : []
  })
  return [...byRatio, ...byMemory]
}

/** Whether something got slower by more than noise explains, or failed: what could not be measured is no success. */
export const isBroken = ({ goal, recorded = goal, reached }: Verdict): boolean =>
  !(reached <= Math.max(goal, recorded) * TOLERANCE)
