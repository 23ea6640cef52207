import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { type Aim, loadJson } from '../load.ts'
import { cpuMs, residentKib } from '../proc.ts'
import { type Running, startServer } from '../processes.ts'
import { redisCommand } from '../redis.ts'
import type { Part } from '../report.ts'
import type { Rig } from '../rig.ts'
import { startTarget } from '../started.ts'
import { digits } from '../stats.ts'
import { bffWithRedis } from '../targets/bff.ts'
import type { Order } from '../targets/target.ts'
import { byTurns, type Condition, turnsTable, turnsVerdicts } from './turns.ts'

const MILLION = 1_000_000
const CONNECTIONS = 64
const SECONDS = 2
const FIRST_USER = 'user-1'
const PLAIN: Order = { shape: 'openai', stream: false, events: 0, intervalUs: 0 }

/** Copies every counter of the first user's to all others, whatever its form, as if each had called once. */
const MAKE_KNOWN = `
  local found = 0
  for _, key in ipairs(KEYS) do
    for _, field in ipairs(redis.call('HKEYS', key)) do
      local from, to = field:find(ARGV[1], 1, true)
      if from and not field:sub(to + 1):find('^%d') then
        found = found + 1
        local value = redis.call('HGET', key, field)
        local stem, rest = field:sub(1, to - 1), field:sub(to + 1)
        for user = 2, tonumber(ARGV[2]) do redis.call('HSET', key, stem .. string.format('%d', user) .. rest, value) end
      end
    end
  end
  return found`

interface Side {
  readonly aim: Aim
  readonly bff: Running
  readonly redis: Running
  stop(): Promise<void>
}

/** What a call costs where one end user is known, and where a million are, each call by any of them. */
export async function benchUsers(rig: Rig, firstPort: number, rounds: number): Promise<Part> {
  const sides = [await startSide(rig, firstPort), await startSide(rig, firstPort + 2)] as const
  const [few, many] = sides
  try {
    await makeKnown(firstPort + 3, many.aim)
    const redisCpu: number[][] = [[], [], []]
    const condition = (index: number, name: string, side: Side, headers: Record<string, string>, goal?: number) => ({
      name,
      ...(goal !== undefined && { goal }),
      measure: async () => {
        const before = cpuMs(side.redis.pid)
        const { cpu, rate, errors } = await loadJson(rig, asking(side.aim, headers), CONNECTIONS, SECONDS)
        if (errors > 0) throw new Error(`${errors} calls failed: ${name}`)
        redisCpu[index]?.push(((cpuMs(side.redis.pid) - before) * 1000) / (rate * SECONDS))
        return cpu
      },
    })
    const conditions: Condition[] = [
      condition(0, 'one known user', few, { 'x-ferry-user': FIRST_USER }),
      condition(1, '1,000,000 known users', many, { 'x-ferry-user': `user-{1-${MILLION}}` }, 1.1),
      condition(2, 'one user, each call with an Idempotency-Key', few, {
        'x-ferry-user': FIRST_USER,
        'idempotency-key': `bench-{1-${2 ** 31 - 1}}`,
      }),
    ]
    const outcomes = await byTurns('users', conditions, rounds)
    const last = redisCpu.map((list) => digits(list.at(-1)))
    const rss = [few, many, few].map(({ bff }) => digits(residentKib(bff.pid) / 1024))
    const table = turnsTable('BFF with Redis, 64 connections', outcomes, {
      'Redis’ CPU ms / 1,000': last,
      'RSS MiB at the end': rss,
    })
    return { text: `### Known end users\n\n${table}`, verdicts: turnsVerdicts(outcomes) }
  } finally {
    await Promise.all(sides.map((side) => side.stop()))
  }
}

async function startSide(rig: Rig, port: number): Promise<Side> {
  const redis = await startServer(redisCommand(rig, port + 1), {
    port: port + 1,
    log: `${rig.run}/redis-${port}.log`,
    core: rig.cores?.others,
  })
  const started = await startTarget({ ...rig, redisPort: port + 1 }, bffWithRedis, port)
  if (started?.server === undefined) throw new Error('the BFF does not start')
  const bff = started.server
  const aim = { port, ask: bffWithRedis.ask(PLAIN, rig), pid: bff.pid }
  const stop = async () => void (await Promise.all([bff.stop(), redis.stop()]))
  return { aim, bff, redis, stop }
}

const asking = (aim: Aim, headers: Record<string, string>): Aim => ({
  ...aim,
  ask: { ...aim.ask, headers: { ...aim.ask.headers, ...headers } },
})

async function makeKnown(redisPort: number, { port, ask }: Aim): Promise<void> {
  const headers = { ...ask.headers, 'content-type': 'application/json', 'x-ferry-user': FIRST_USER }
  const answer = await fetch(`http://127.0.0.1:${port}${ask.path}`, { method: 'POST', headers, body: ask.body })
  await answer.text()
  await sleep(200)
  const redis = new Redis(redisPort, { lazyConnect: true })
  await redis.connect()
  try {
    const keys: string[] = []
    for (const key of await redis.keys('*')) if ((await redis.type(key)) === 'hash') keys.push(key)
    const found = await redis.eval(MAKE_KNOWN, keys.length, ...keys, FIRST_USER, MILLION)
    if (!(Number(found) > 0)) throw new Error('no counter of an end user is in Redis')
  } finally {
    redis.disconnect()
  }
}
