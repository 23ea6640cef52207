import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Patience } from '../../src/store/patience.ts'
import { StoreUnavailable } from '../../src/store/store.ts'

/** Keeps this process from hearing anything. */
function beBusy(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

const outcome = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    (value) => value,
    (error: unknown) => (error instanceof StoreUnavailable ? error.fault : error),
  )

describe('the wait for a store', () => {
  test('ends after its time', async () => {
    const started = performance.now()
    expect(await outcome(new Patience().within(new Promise(() => {}), 100))).toBe('timeout')
    expect(performance.now() - started).toBeGreaterThan(95)
  })

  test('gives the answer, or what went wrong', async () => {
    const patience = new Patience()
    expect(await outcome(patience.within(Promise.resolve(7), 100))).toBe(7)
    expect(await outcome(patience.within(Promise.reject('broken'), 100))).toBe('broken')
  })

  test('goes on while this process is too busy to hear', async () => {
    const patience = new Patience()
    const answer = sleep(40, 'answered')
    const waiting = outcome(patience.within(answer, 100))
    beBusy(600)
    expect(await waiting).toBe('answered')
  })

  test('of each length ends by itself, in any order', async () => {
    const patience = new Patience()
    const ended: string[] = []
    const wait = (name: string, ms: number): Promise<unknown> =>
      outcome(patience.within(new Promise(() => {}), ms)).then(() => ended.push(name))
    await Promise.all([wait('long', 200), wait('short', 60), outcome(patience.within(Promise.resolve(), 60))])
    expect(ended).toEqual(['short', 'long'])
    expect(await outcome(patience.within(new Promise(() => {}), 40))).toBe('timeout')
  })
})
