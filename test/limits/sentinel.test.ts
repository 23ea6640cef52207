import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, createRegistry } from '@llm-ferry/kit'
import { Redis } from 'ioredis'
import { expect, onTestFinished, test } from 'vitest'
import { KEY_PROCEDURES } from '../../packages/bff/src/keys/procedures.ts'
import { createCalendar } from '../../packages/bff/src/limits/calendar.ts'
import { Limits } from '../../packages/bff/src/limits/limits.ts'
import { PROCEDURES } from '../../packages/bff/src/limits/procedures.ts'
import { answersWithin } from '../../packages/bff/src/store/index.ts'
import { createRedisStore } from '../../packages/bff/src/store/redis.ts'
import { parseRedisAddress } from '../../packages/bff/src/store/redis-address.ts'
import { call, record } from '../../packages/bff/test/limits/support.ts'
import { eventually } from '../testkit/eventually.ts'
import { freePort } from '../testkit/ports.ts'
import { type RedisServer, startRedis } from '../testkit/redis.ts'
import { counted, openKeys } from './support.ts'

/** Watches a master; of three of them two must agree that it is gone. */
async function startSentinel(master: number): Promise<number> {
  const [port, folder] = [await freePort(), mkdtempSync(join(tmpdir(), 'ferry-sentinel-'))]
  const config = join(folder, 'sentinel.conf')
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor main 127.0.0.1 ${master} 2`,
    'sentinel down-after-milliseconds main 1000',
    'sentinel failover-timeout main 5000',
  ]
  writeFileSync(config, `${lines.join('\n')}\n`)
  const child = spawn('redis-server', [config, '--sentinel'], { stdio: 'ignore' })
  onTestFinished(async () => {
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
    rmSync(folder, { recursive: true, force: true })
  })
  return port
}

async function sentinelSays(port: number, ...command: [string, ...string[]]): Promise<string> {
  const client = new Redis({ port, host: '127.0.0.1', retryStrategy: () => null })
  client.on('error', () => {})
  const answer = await client.call('SENTINEL', ...command).catch(() => '')
  client.disconnect()
  return JSON.stringify(answer)
}

async function startWatched(): Promise<{ master: RedisServer; replica: RedisServer; sentinels: number[] }> {
  const master = await startRedis()
  onTestFinished(() => master.stop())
  const replica = await startRedis(['--save', '', '--replicaof', `127.0.0.1 ${master.port}`])
  onTestFinished(() => replica.stop())
  const sentinels = [
    await startSentinel(master.port),
    await startSentinel(master.port),
    await startSentinel(master.port),
  ]
  const ready = async (): Promise<boolean> =>
    (await Promise.all(sentinels.map((port) => sentinelSays(port, 'CKQUORUM', 'main')))).every((word) =>
      /3 usable/.test(word),
    ) && (await sentinelSays(sentinels[0] ?? 0, 'REPLICAS', 'main')).includes(String(replica.port))
  await eventually('the sentinels know each other and the replica', ready, 20_000)
  return { master, replica, sentinels }
}

test('a failover loses no call: what went on meanwhile is counted at the new master', async () => {
  const { master, replica, sentinels } = await startWatched()
  const hosts = sentinels.map((port) => `127.0.0.1:${port}`).join(',')
  const address = parseRedisAddress(`redis+sentinel://${hosts}/main`)
  const store = createRedisStore({
    address,
    timeoutMs: 500,
    procedures: [...PROCEDURES, ...KEY_PROCEDURES],
    onError: () => {},
  })
  await answersWithin(store, 10_000)
  const spoolFolder = mkdtempSync(join(tmpdir(), 'ferry-spool-'))
  const [log, registry] = [createLogger('test', 'silent'), createRegistry()]
  const limits = new Limits({ store, calendar: createCalendar('UTC'), outage: 'open', spoolFolder, log, registry })
  const direct = new Redis(replica.url)
  onTestFinished(async () => {
    await limits.close()
    await store.close()
    direct.disconnect()
  })
  const one = async (): Promise<void> =>
    (await limits.admit(call({ requestsPerDay: 1000 }, { key: 'app' }))).settle({
      tokens: 3,
      costNanos: 0,
      record: record({ promptTokens: 3 }),
    })

  for (let i = 0; i < 20; i++) await one()
  await eventually('the replica has them', async () => (await counted(direct, 'tokens')) === 60)
  await master.halt('SIGKILL')
  for (let i = 0; i < 20; i++) await one()
  await eventually('the replica is the master', async () => (await direct.role())[0] === 'master', 20_000)
  await eventually('all are counted', async () => (await counted(direct, 'tokens')) === 120, 20_000)
  await one()
  await eventually('the new master counts on', async () => (await counted(direct, 'requests')) === 41)
}, 60_000)

test('a failover loses no key: those known go on meanwhile, and changes are made at the new master', async () => {
  const { master, replica, sentinels } = await startWatched()
  const hosts = sentinels.map((port) => `127.0.0.1:${port}`).join(',')
  const address = parseRedisAddress(`redis+sentinel://${hosts}/main`)
  const open = async () => {
    const store = createRedisStore({
      address,
      timeoutMs: 500,
      procedures: [...PROCEDURES, ...KEY_PROCEDURES],
      onError: () => {},
    })
    onTestFinished(() => store.close())
    await answersWithin(store, 10_000)
    return openKeys(store)
  }
  const [one, other] = [await open(), await open()]
  const { secret = '' } = await one.admin.create({ name: 'app' })
  await eventually('the other has it', () => other.ring.find(secret) !== undefined, 1000)
  const direct = new Redis(replica.url)
  onTestFinished(() => direct.disconnect())
  await eventually('the replica has it', async () => (await direct.exists('ferry:{keys}:name:app')) === 1, 5000)

  await master.halt('SIGKILL')
  await expect(one.admin.update('app', { disabled: true })).rejects.toMatchObject({ code: 'overloaded' })
  expect([one, other].map(({ ring }) => ring.find(secret)?.record.disabled)).toEqual([false, false])
  const disabled = (): Promise<boolean> =>
    one.admin.update('app', { disabled: true }).then(
      () => true,
      () => false,
    )
  await eventually('a change is taken again', disabled, 20_000)
  await eventually('the other has the change', () => other.ring.find(secret)?.record.disabled === true, 2000)
  expect((await direct.role())[0]).toBe('master')
}, 60_000)
