import type { Verdict } from '../budgets.ts'
import { digits, median, table } from '../stats.ts'

/** Something whose cost is compared with that of the first of its kind. */
export interface Condition {
  readonly name: string
  /** Largest ratio to the first that is aimed at. */
  readonly goal?: number
  /** @returns CPU time for 1,000 requests, in ms. */
  measure(): Promise<number>
}

export interface Outcome {
  readonly condition: Condition
  readonly cpu: number
  /** To the first condition, round by round; undefined for itself. */
  readonly ratio: { readonly median: number; readonly least: number; readonly most: number } | undefined
}

/** A B C, then C B A: what the machine does besides meets all alike. The first round warms up. */
export async function byTurns(what: string, conditions: readonly Condition[], rounds: number): Promise<Outcome[]> {
  const figures = new Map<Condition, number[]>(conditions.map((condition) => [condition, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const condition of round % 2 === 0 ? conditions : conditions.toReversed()) {
      const cpu = await condition.measure()
      if (round === 0) continue
      figures.get(condition)?.push(cpu)
      console.error(`bench: ${what} ${round}/${rounds} ${condition.name}: ${digits(cpu)} ms CPU for 1,000 requests`)
    }
  }
  const [base = []] = figures.values()
  return [...figures].map(([condition, list]) => {
    const ratios = list.map((cpu, round) => cpu / (base[round] ?? Number.NaN))
    const ratio = { median: median(ratios), least: Math.min(...ratios), most: Math.max(...ratios) }
    return { condition, cpu: median(list), ratio: list === base ? undefined : ratio }
  })
}

/** The outcomes, each with further cells. */
export function turnsTable(first: string, outcomes: readonly Outcome[], more: Record<string, readonly string[]> = {}) {
  const extra = Object.entries(more)
  const head = [first, 'CPU ms / 1,000 requests', 'ratio (range)', 'goal', ...extra.map(([name]) => name)]
  const rows = outcomes.map(({ condition, cpu, ratio }, row) => [
    condition.name,
    digits(cpu),
    ratio === undefined ? '1' : `${digits(ratio.median)} (${digits(ratio.least)}–${digits(ratio.most)})`,
    condition.goal === undefined ? '–' : digits(condition.goal),
    ...extra.map(([, cells]) => cells[row] ?? '–'),
  ])
  return table(head, rows)
}

/** How the goals stand. */
export const turnsVerdicts = (outcomes: readonly Outcome[]): Verdict[] =>
  outcomes.flatMap(({ condition: { name, goal }, ratio }) =>
    goal === undefined || ratio === undefined
      ? []
      : [{ what: `${name} / ${outcomes[0]?.condition.name}, CPU`, goal, recorded: undefined, reached: ratio.median }],
  )
