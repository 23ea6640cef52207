import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Procedure, Store } from '../../src/store/store.ts'

/** Adds to a counter unless that would take it above a limit; what is to be shown is that nothing comes between. */
export const addWithin: Procedure = {
  name: 'ferryTestAdd',
  keyCount: 1,
  lua: `
    local used = tonumber(redis.call('HGET', KEYS[1], 'n') or '0')
    if used + tonumber(ARGV[1]) > tonumber(ARGV[2]) then return {'refused', used} end
    return {'added', redis.call('HINCRBY', KEYS[1], 'n', ARGV[1])}`,
  local: (state, [key = ''], [amount, limit]) => {
    const used = state.numbers(key)?.get('n') ?? 0
    if (used + Number(amount) > Number(limit)) return ['refused', used]
    state.ensureNumbers(key).set('n', used + Number(amount))
    return ['added', used + Number(amount)]
  },
}

/** The same under another name. */
export const addToo: Procedure = { ...addWithin, name: 'ferryTestAddToo' }

/** What every store does. */
export function storeContract(open: () => Store): void {
  const key = (): string => `{test}:${crypto.randomUUID()}`

  test('gives back the bytes that were set', async () => {
    const [store, name] = [open(), key()]
    const value = Buffer.from([0, 255, 10, 13, 0xe4, 0xb8, 0xad])
    expect(await store.set(name, value, { ttlMs: 10_000 })).toBe(true)
    expect(await store.get(name)).toEqual(value)
  })

  test('has nothing where nothing was set', async () => {
    expect(await open().get(key())).toBeUndefined()
    expect(await open().delete(key())).toBe(false)
  })

  test('forgets a value when its time is over', async () => {
    const [store, name] = [open(), key()]
    await store.set(name, 'short', { ttlMs: 40 })
    await sleep(80)
    expect(await store.get(name)).toBeUndefined()
  })

  test('leaves an existing value alone when told to, until it has gone', async () => {
    const [store, name] = [open(), key()]
    const claims = await Promise.all(
      Array.from({ length: 20 }, (_, i) => store.set(name, String(i), { ttlMs: 60, onlyIfAbsent: true })),
    )
    expect(claims.filter(Boolean)).toHaveLength(1)
    await sleep(100)
    expect(await store.set(name, 'next', { ttlMs: 1000, onlyIfAbsent: true })).toBe(true)
  })

  test('deletes', async () => {
    const [store, name] = [open(), key()]
    await store.set(name, 'x', { ttlMs: 10_000 })
    expect(await store.delete(name)).toBe(true)
    expect(await store.get(name)).toBeUndefined()
  })

  test('runs a procedure in one step: of 200 at once exactly 50 are let in', async () => {
    const [store, name] = [open(), key()]
    const replies = await Promise.all(Array.from({ length: 200 }, () => store.run(addWithin, [name], ['1', '50'])))
    expect(replies.filter(([word]) => word === 'added')).toHaveLength(50)
  })

  test('takes a procedure for the first time while others are under way', async () => {
    const [store, name] = [open(), key()]
    const work = Array.from({ length: 100 }, (_, i) => store.run(i < 50 ? addWithin : addToo, [name], ['1', '100']))
    expect((await Promise.all(work)).filter(([word]) => word === 'added')).toHaveLength(100)
  })
}
