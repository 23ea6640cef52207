import { describe, expect, test } from 'vitest'
import { createMemoryStore } from '../../src/store/memory.ts'
import { MemoryState } from '../../src/store/memory-state.ts'
import { storeContract } from './contract.ts'

describe('the store in memory', () => {
  const store = createMemoryStore()
  storeContract(() => store)

  test('finds expired entries as it writes, so that they do not pile up', () => {
    const state = new MemoryState()
    for (let i = 0; i < 10_000; i++) state.at(i).set(`user-${i}`, 'x', 100)
    expect(state.size).toBeLessThan(400)
  })

  test('refuses to take one kind of value for another', () => {
    const state = new MemoryState().at(0)
    state.set('k', 'text', 1000)
    expect(() => state.numbers('k')).toThrow('another kind')
    expect(() => state.ensureNumbers('k')).toThrow('another kind')
  })
})
