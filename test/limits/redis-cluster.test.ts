import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KEY_PROCEDURES } from '../../packages/bff/src/keys/procedures.ts'
import { PROCEDURES } from '../../packages/bff/src/limits/procedures.ts'
import { answersWithin } from '../../packages/bff/src/store/index.ts'
import { createRedisStore } from '../../packages/bff/src/store/redis.ts'
import { parseRedisAddress } from '../../packages/bff/src/store/redis-address.ts'
import type { Store } from '../../packages/bff/src/store/store.ts'
import { limiterContract } from '../../packages/bff/test/limits/limiter.contract.ts'
import { eventually } from '../testkit/eventually.ts'
import { type RedisServer, startRedis } from '../testkit/redis.ts'
import { openKeys } from './support.ts'

const SLOTS = 16_384
const MASTERS = 3

/** Three masters that share the slots, without replicas. */
async function startMasters(): Promise<RedisServer[]> {
  const flags = ['--cluster-enabled', 'yes', '--save', '', '--appendonly', 'no']
  const servers = await Promise.all(Array.from({ length: MASTERS }, () => startRedis(flags)))
  const [first] = servers
  for (const [i, server] of servers.entries()) {
    const [from, to] = [Math.ceil((i * SLOTS) / MASTERS), Math.ceil(((i + 1) * SLOTS) / MASTERS) - 1]
    await server.command(`CLUSTER ADDSLOTSRANGE ${from} ${to}`)
    if (server !== first) await server.command(`CLUSTER MEET 127.0.0.1 ${first?.port}`)
  }
  await eventually('the cluster is formed', () => allWell(servers), 30_000)
  return servers
}

async function allWell(servers: readonly RedisServer[]): Promise<boolean> {
  const states = await Promise.all(
    servers.map(async ({ url }) => {
      const client = new Redis(url)
      const info = await client.cluster('INFO').finally(() => client.disconnect())
      return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${MASTERS}`)
    }),
  )
  return states.every(Boolean)
}

describe('limits and keys in a Redis Cluster of three masters', () => {
  let servers: RedisServer[]
  let store: Store

  beforeAll(async () => {
    servers = await startMasters()
    const nodes = servers.map(({ port }) => `127.0.0.1:${port}`).join(',')
    const address = parseRedisAddress(`redis+cluster://${nodes}`)
    store = createRedisStore({
      address,
      timeoutMs: 5000,
      procedures: [...PROCEDURES, ...KEY_PROCEDURES],
      onError: () => {},
    })
    await answersWithin(store, 10_000)
  }, 60_000)

  afterAll(async () => {
    await store?.close()
    await Promise.all((servers ?? []).map((server) => server.stop()))
  })

  limiterContract(() => store)

  test('keys are made, renamed, seen by another process within a second, and deleted', async () => {
    const [one, other] = [await openKeys(store), await openKeys(store)]
    const { record, secret = '' } = await one.admin.create({ name: 'app', limits: { streams: 3 } })
    await eventually('the other has it', () => other.ring.find(secret)?.record.id === record.id, 1000)
    await other.admin.update('app', { name: 'apps', disabled: true })
    await eventually('the first has the change', () => one.ring.find(secret)?.record.disabled === true, 1000)
    await expect(one.admin.create({ name: 'apps' })).rejects.toMatchObject({ code: 'conflict', param: 'name' })
    await one.admin.create({ name: 'app' })
    await one.admin.delete('apps')
    await eventually('it is gone', () => other.ring.find(secret) === undefined, 1000)
    expect([...(await other.admin.names()).values()].toSorted()).toEqual(['app', 'apps'])
  })

  test('records of all shards are handed over', async () => {
    const streams = Array.from({ length: 16 }, (_, shard) => `ferry:{${shard}}:ledger`)
    await Promise.all(streams.map((stream) => store.consume(stream, 'test', async () => {})))
  })
})
