import { expect, it } from 'vitest'
import { startChainSoak } from './chain.ts'
import { startRelaySoak } from './relay.ts'
import { complaints, runSoak } from './watch.ts'

const SECONDS = 15

it.concurrent.each([
  ['a relay', startRelaySoak],
  ['SDK, BFF, Redis and a relay over a line that breaks', startChainSoak],
] as const)(`%s: a mixed load for ${SECONDS} s (the long form is npm run test:soak)`, async (_, start) => {
  const report = await runSoak(await start(), SECONDS)
  expect(complaints(report)).toEqual([])
  for (const calls of Object.values(report.calls)) expect(calls).toBeGreaterThan(5)
})
