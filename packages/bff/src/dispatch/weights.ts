import type { AliasTarget } from './alias.ts'

/**
 * Targets in the order in which one call tries them: those with a weight in a lot drawn by it, in the places that such
 * targets have; the others where they stand.
 *
 * @param random from 0 to 1, 1 excluded.
 */
export function drawn(targets: readonly AliasTarget[], random: () => number = Math.random): AliasTarget[] {
  const urn = targets.filter(({ weight }) => weight !== undefined)
  return targets.map((target) => (target.weight === undefined ? target : (take(urn, random) ?? target)))
}

function take(urn: AliasTarget[], random: () => number): AliasTarget | undefined {
  const total = urn.reduce((sum, { weight = 0 }) => sum + weight, 0)
  let at = random() * total
  const drawn = urn.findIndex(({ weight = 0 }) => {
    at -= weight
    return at < 0
  })
  return urn.splice(Math.max(0, drawn), 1)[0]
}
