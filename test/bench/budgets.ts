import { readFileSync } from 'node:fs'
import type { Held } from './hold.ts'
import { type Result, ratioOf } from './rounds.ts'

interface Budgets {
  readonly ratios: readonly {
    readonly measure: string
    readonly target: string
    readonly base: string
    readonly most: number
  }[]
  readonly kibPerStream: readonly { readonly streams: number; readonly target: string; readonly most: number }[]
}

/** A goal and what was reached. */
export interface Verdict {
  readonly goal: string
  readonly most: number
  readonly reached: number
}

/** A smoke fails from this multiple of a goal on. */
const TOLERANCE = 1.5

const { ratios, kibPerStream }: Budgets = JSON.parse(readFileSync(new URL('budgets.json', import.meta.url), 'utf8'))

/** How the goals stand that these results speak of. */
export function judge(results: readonly Result[], held: readonly Held[]): Verdict[] {
  const byRatio = ratios.flatMap(({ measure, target, base, most }) => {
    const result = results.find((each) => each.measure.name === measure)
    const ratio = result && ratioOf(result, target, base)
    return ratio ? [{ goal: `${target} / ${base}, CPU, ${measure}`, most, reached: ratio.median }] : []
  })
  const byMemory = kibPerStream.flatMap(({ streams, target, most }) => {
    const row = held.find((each) => each.target === target && each.streams === streams)
    return row ? [{ goal: `${target}, KiB a stream at ${streams}`, most, reached: row.kibPerStream }] : []
  })
  return [...byRatio, ...byMemory]
}

/** Whether a goal is missed by more than noise explains. */
export const isBroken = ({ most, reached }: Verdict): boolean => reached > most * TOLERANCE
