import { expect, it } from 'vitest'
import { complaints, soak } from './soak.ts'

const SECONDS = 15

it(`holds a mixed load for ${SECONDS} s (the long form is npm run test:soak)`, async () => {
  const report = await soak(SECONDS)
  expect(complaints(report)).toEqual([])
  for (const calls of Object.values(report.calls)) expect(calls).toBeGreaterThan(20)
})
