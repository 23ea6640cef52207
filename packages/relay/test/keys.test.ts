import { describe, expect, it } from 'vitest'
import { KeyPool } from '../src/keys.ts'

const pool = (): KeyPool => new KeyPool('openai', ['sk-a', 'sk-b', 'sk-c'])
const T = 1_000_000

describe('KeyPool', () => {
  it('takes the keys in turn, by labels that do not tell them', () => {
    const keys = pool()
    expect([1, 2, 3, 4].map(() => keys.next(T)?.label)).toEqual(['openai-1', 'openai-2', 'openai-3', 'openai-1'])
  })

  it('lets a limited key rest as long as the vendor says', () => {
    const keys = pool()
    const first = keys.next(T)
    if (first) keys.limited(first, 5000, T)
    expect([1, 2, 3].map(() => keys.next(T + 4999)?.secret)).toEqual(['sk-b', 'sk-c', 'sk-b'])
    expect(keys.health(T + 4999).map(({ resting }) => resting)).toEqual([true, false, false])
    expect(keys.health(T + 5000).map(({ resting }) => resting)).toEqual([false, false, false])
  })

  it('caps the rest that a vendor may ask for', () => {
    const keys = new KeyPool('v', ['a'])
    const key = keys.next(T)
    if (key) keys.limited(key, 10 ** 12, T)
    expect(keys.health(T + 3_600_000)[0]?.resting).toBe(false)
  })

  it('uses the key that wakes first when all rest', () => {
    const keys = pool()
    for (const ms of [9000, 3000, 6000]) {
      const key = keys.next(T)
      if (key) keys.limited(key, ms, T)
    }
    expect(keys.next(T + 1)?.secret).toBe('sk-b')
  })

  it('sticks to one key per holder through limits, not through a refusal', () => {
    const keys = pool()
    const own = keys.stickyTo('app', T)
    if (!own) throw new Error('no key')
    keys.limited(own, 60_000, T)
    expect(keys.stickyTo('app', T)).toBe(own)
    expect(pool().stickyTo('app', T)?.label).toBe(own.label)
    keys.rejected(own, T)
    expect(keys.stickyTo('app', T)).not.toBe(own)
    expect(keys.stickyTo('app', T + 11 * 60_000)).toBe(own)
  })

  it('has no key when none is configured', () => {
    const keys = new KeyPool('v', [])
    expect([keys.isEmpty, keys.next(), keys.stickyTo('x')]).toEqual([true, undefined, undefined])
  })

  it('keeps the rest of keys that stay when others come', () => {
    const keys = pool()
    const first = keys.next(T)
    if (first) keys.rejected(first, T)
    const next = new KeyPool('openai', ['sk-new', 'sk-a'])
    next.inherit(keys)
    expect(next.health(T + 1)).toEqual([
      { label: 'openai-1', resting: false },
      { label: 'openai-2', resting: true },
    ])
  })
})
