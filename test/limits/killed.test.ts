import { afterEach, expect, test } from 'vitest'
import { eventually } from '../testkit/eventually.ts'
import { type Cluster, counted, type Fate, type LedgerLine, nothingHeld, PATIENT, startCluster } from './support.ts'

let cluster: Cluster
afterEach(() => cluster?.stop())

const CALLS = 2_000
const QUOTA = 1_000
const LEASE_MS = 4_000

const fateOf = (i: number): Fate => (i % 10 === 0 ? 'fail' : i % 3 === 0 ? 'slow-stream' : 'stream')
const OUTCOMES: Readonly<Record<string, string>> = {
  fail: 'invalid_request',
  'slow-stream': 'client_closed',
  stream: 'completed',
}

test('2,000 calls, a third cancelled, a tenth failing, one of four processes killed at the half: nothing is unexplained', async () => {
  const env = {
    ...PATIENT,
    KEY_DAILY_QUOTA: String(QUOTA),
    DAILY_QUOTA: '1000000',
    CALL_LEASE_MS: String(LEASE_MS),
  }
  cluster = await startCluster(4, env)
  // With a call of its own at the vendor, which only it knows of.
  let victim: number | undefined
  cluster.vendor.onCall = (calls, user) => {
    if (victim !== undefined || calls < QUOTA / 2) return
    victim = Number(user?.slice(1)) % 4
    cluster.bffs[victim]?.signal('SIGKILL')
  }
  const calls = Array.from({ length: CALLS }, (_, i) => {
    const fate = fateOf(i)
    return cluster.chat(i, fate, { user: `u${i}`, ...(fate === 'slow-stream' && { leaveAt: 'word5' }) })
  })
  const outcomes = await Promise.all(calls)
  await nothingHeld(cluster.direct, LEASE_MS * 1.25 + 20_000)

  expect(await counted(cluster.direct, 'requests')).toBe(QUOTA)
  await eventually('1,000 lines', async () => (await cluster.allRecords()).length === QUOTA, 20_000)
  const lines = await cluster.allRecords()
  expect(lines.every(({ kind }) => kind === 'call')).toBe(true)
  const byUser = new Map(lines.map((line) => [line.user, line]))
  expect(byUser.size).toBe(QUOTA)

  // Every call that the vendor saw has its line, and was made once.
  expect(Math.max(...cluster.vendor.users.values())).toBe(1)
  expect([...cluster.vendor.users.keys()].filter((user) => !byUser.has(user))).toEqual([])

  const unexplained: string[] = []
  for (const [user, line] of byUser) {
    const i = Number(user.slice(1))
    const ofVictim = i % 4 === victim
    // What only the victim knew: it was killed after letting the call in and before it said how the call ended.
    if (line.outcome === 'abandoned' && ofVictim) continue
    const seen = cluster.vendor.users.has(user)
    const told = outcomes[i]?.status
    if (seen && line.outcome === OUTCOMES[fateOf(i)] && (ofVictim || told === (fateOf(i) === 'fail' ? 400 : 200)))
      continue
    unexplained.push(`${user} ${fateOf(i)} ${line.outcome} vendor:${seen} caller:${told}`)
  }
  expect(unexplained).toEqual([])

  // No line and no vendor call for whoever was refused or found nobody to talk to.
  outcomes.forEach(({ status }, i) => {
    if (status === 429) expect([byUser.has(`u${i}`), cluster.vendor.users.has(`u${i}`)]).toEqual([false, false])
    if (status === 0) expect(i % 4).toBe(victim)
  })
  expect(lines.some(({ outcome }) => outcome === 'abandoned')).toBe(true)
  const tokens = lines.reduce((sum: number, line: LedgerLine) => sum + line.promptTokens + line.completionTokens, 0)
  expect(await counted(cluster.direct, 'tokens')).toBe(tokens)
}, 180_000)
