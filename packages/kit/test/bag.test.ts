import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Bag, type Kept } from '../src/bag.ts'

test('a bag holds what was put in and not taken out, in whatever order that happens', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constant('add' as const), fc.nat())), (steps) => {
      const bag = new Bag<number>()
      const all: Kept<number>[] = []
      const expected = new Set<number>()
      for (const step of steps) {
        if (step === 'add') {
          expected.add(all.length)
          all.push(bag.add(all.length))
          continue
        }
        // Some are taken out more than once.
        const kept = all[step % Math.max(1, all.length)]
        if (kept === undefined) continue
        bag.remove(kept)
        expected.delete(kept.value)
      }
      expect(bag.values().toSorted((a, b) => a - b)).toEqual([...expected])
    }),
  )
})
