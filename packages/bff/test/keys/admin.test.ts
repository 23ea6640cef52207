import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { type RedisServer, startRedis } from '../../../../test/testkit/redis.ts'
import { afterBody } from '../../../../test/testkit/scripted-vendor.ts'
import type { CallRecord } from '../../src/ledger/record.ts'
import { Throttle } from '../../src/middleware/throttle.ts'
import { BFF_KEY, errorOf, plainAnswer, startTestBff, type TestBff } from '../support.ts'

const ADMIN = 'admin-token-0123456789abcdef'
const prices = 'prices:\n  openai/gpt-x: { input: 2, output: 8 }\n  second/gpt-y: { input: 1, output: 1 }\n'

let redisServer: RedisServer
let redis: Redis

beforeAll(async () => {
  redisServer = await startRedis()
  redis = new Redis(redisServer.url)
})
afterAll(async () => {
  redis.disconnect()
  await redisServer.stop()
})
beforeEach(() => redis.flushall())

interface Key {
  readonly id: string
  readonly name: string
  readonly secret: string
  readonly secrets: { hint?: string; expires_at?: string }[]
  readonly [field: string]: unknown
}

interface Admin extends TestBff {
  /** Calls the admin API; resolves with its answer’s body. */
  admin(method: string, path: string, body?: unknown, token?: string): Promise<{ status: number; body: Key }>
  /** A chat with this key; resolves with its status. */
  ask(secret: string, body?: Record<string, unknown>): Promise<number>
  readonly ledger: () => CallRecord[]
}

async function start(env: Record<string, string> = {}, yaml = prices): Promise<Admin> {
  const ledger = join(mkdtempSync(join(tmpdir(), 'ferry-admin-')), 'ledger.jsonl')
  const bff = await startTestBff(
    afterBody(() => plainAnswer()),
    {
      REDIS_URL: redisServer.url,
      BFF_ADMIN_TOKEN: `ops:${ADMIN},ci:${ADMIN}-ci`,
      LEDGER_FILE: ledger,
      SPOOL_DIR: join(ledger, '..'),
      ...env,
    },
    yaml,
  )
  return {
    ...bff,
    admin: async (method, path, body, token = ADMIN) => {
      const response = await fetch(`http://127.0.0.1:${bff.bff.adminPort ?? bff.bff.port}/admin/v1${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      return { status: response.status, body: (await response.json()) as Key }
    },
    ask: async (secret, body) => {
      const response = await bff.chat(body, { headers: { authorization: `Bearer ${secret}` } })
      await response.text()
      return response.status
    },
    ledger: () =>
      existsSync(ledger)
        ? readFileSync(ledger, 'utf8')
            .split('\n')
            .filter(Boolean)
            .map((line) => JSON.parse(line) as CallRecord)
        : [],
  }
}

describe('keys of the admin API', () => {
  test('are made, read, listed, changed, switched, rotated and deleted', async () => {
    const { admin, ask } = await start()
    const made = await admin('POST', '/keys', {
      name: 'tv-app',
      owner: 'mei@example.cn',
      tags: ['tv'],
      labels: { team: 'tv' },
      limits: { requests_per_minute: 500, usd_per_day: 2 },
    })
    expect(made.status).toBe(201)
    const { id, secret } = made.body
    expect(secret).toMatch(/^sk-ferry-[\w-]{43}$/)
    expect(await ask(secret)).toBe(200)

    const shown = await admin('GET', `/keys/${id}`)
    expect(shown.body).toMatchObject({
      id,
      name: 'tv-app',
      source: 'api',
      limits: { requests_per_minute: 500, usd_per_day: 2 },
    })
    expect(JSON.stringify(shown.body)).not.toContain(secret)
    expect((await admin('GET', '/keys/tv-app')).body.id).toBe(id)

    const list = (await admin('GET', '/keys?tag=tv')).body as unknown as { data: Key[] }
    expect(list.data.map(({ name }) => name)).toEqual(['tv-app'])
    const all = (await admin('GET', '/keys?limit=1')).body as unknown as { data: Key[]; has_more: boolean }
    expect([all.data[0]?.name, all.has_more]).toEqual(['app', true])

    const changed = await admin('PATCH', '/keys/tv-app', { name: 'tv', owner: null, models: ['openai/gpt-x'] })
    expect(changed.body).toMatchObject({ id, name: 'tv', models: ['openai/gpt-x'], tags: ['tv'] })
    expect(changed.body.owner).toBeUndefined()
    expect(await ask(secret, { model: 'second/other' })).toBe(403)

    expect((await admin('POST', '/keys/tv/disable')).body.disabled).toBe(true)
    expect(await ask(secret)).toBe(401)
    expect((await admin('POST', '/keys/tv/enable')).body.disabled).toBe(false)
    expect(await ask(secret)).toBe(200)

    const rotated = (await admin('POST', '/keys/tv/rotate', { overlap_seconds: 1 })).body
    expect(rotated.secrets).toHaveLength(2)
    expect([await ask(secret), await ask(rotated.secret)]).toEqual([200, 200])
    await eventually('the old secret is dead', async () => (await ask(secret)) === 401, 3000)
    const again = (await admin('POST', '/keys/tv/rotate')).body
    expect([await ask(rotated.secret), await ask(again.secret)]).toEqual([401, 200])

    expect((await admin('DELETE', '/keys/tv')).body).toEqual({ id, object: 'key', deleted: true })
    expect(await ask(again.secret)).toBe(401)
    expect((await admin('GET', `/keys/${id}`)).status).toBe(404)
    // Its name is free, and a new key of that name is another key.
    expect((await admin('POST', '/keys', { name: 'tv' })).body.id).not.toBe(id)
  })

  test('are kept as digests, and outlive the process', async () => {
    const first = await start()
    const { secret, id } = (await first.admin('POST', '/keys', { name: 'kept' })).body
    const texts = await Promise.all((await redis.keys('ferry:{keys}:key:*')).map((key) => redis.get(key)))
    expect(texts.join()).toContain(id)
    expect(texts.join()).not.toContain(secret)
    const second = await start()
    expect(await second.ask(secret)).toBe(200)
  })

  test('have unique names, and are refused by field when they are wrong', async () => {
    const { admin } = await start()
    await admin('POST', '/keys', { name: 'one' })
    const faults: [unknown, number, string][] = [
      [{ name: 'one' }, 409, 'name'],
      [{ name: 'app' }, 409, 'name'],
      [{ name: 'a b' }, 400, 'name'],
      [{}, 400, 'name'],
      [{ name: 'x', modles: [] }, 400, 'modles'],
      [{ name: 'x', models: ['gpt-x'] }, 400, 'models[0]'],
      [{ name: 'x', models: ['nobody/x'] }, 400, 'models[0]'],
      [{ name: 'x', vendors: ['nobody'] }, 400, 'vendors[0]'],
      [{ name: 'x', ips: ['10.1'] }, 400, 'ips[0]'],
      [{ name: 'x', limits: { streams: -1 } }, 400, 'limits.streams'],
      [{ name: 'x', limits: { usd_per_day: 'much' } }, 400, 'limits.usd_per_day'],
      [{ name: 'x', limits: { requests_per_day: 1.5 } }, 400, 'limits.requests_per_day'],
      [{ name: 'x', expires_at: 'tomorrow' }, 400, 'expires_at'],
      [{ name: 'x', cache: { ttl_seconds: 0 } }, 400, 'cache.ttl_seconds'],
      [{ name: 'x', cache: { scope: 'shared' } }, 400, 'cache.scope'],
    ]
    for (const [body, status, param] of faults) {
      const answer = await admin('POST', '/keys', body)
      expect([answer.status, (answer.body.error as { param: string }).param], JSON.stringify(body)).toEqual([
        status,
        param,
      ])
    }
    const configured = await admin('PATCH', '/keys/app', { owner: 'me' })
    expect(configured.status).toBe(409)
    expect(JSON.stringify(configured.body)).toContain('BFF_KEYS')
    expect((await admin('GET', '/keys/nobody')).status).toBe(404)
  })

  test('have their answers cached as they say, from one change to the next', async () => {
    const { admin, chat } = await start()
    const { secret, cache } = (await admin('POST', '/keys', { name: 'faq', cache: { ttl_seconds: 600 } })).body
    expect(cache).toEqual({ ttl_seconds: 600 })
    const ask = async (user: string): Promise<string | null> => {
      const response = await chat({ user }, { headers: { authorization: `Bearer ${secret}` } })
      await response.text()
      return response.headers.get('x-ferry-cache')
    }
    expect([await ask('ann'), await ask('bob')]).toEqual(['miss', 'hit'])
    await admin('PATCH', '/keys/faq', { cache: { scope: 'user' } })
    expect([await ask('ann'), await ask('ann'), await ask('bob')]).toEqual(['miss', 'hit', 'miss'])
    await admin('PATCH', '/keys/faq', { cache: false })
    expect(await ask('ann')).toBeNull()
    expect((await admin('PATCH', '/keys/faq', { cache: null })).body).not.toHaveProperty('cache')
    expect(await ask('ann')).toBeNull()
  })

  test('say when they changed, in the answer to the change', async () => {
    const { admin } = await start()
    const made = (await admin('POST', '/keys', { name: 'timed' })).body
    await sleep(5)
    const changed = (await admin('PATCH', '/keys/timed', { owner: 'mei' })).body
    expect(String(changed.updated_at) > String(made.updated_at)).toBe(true)
    expect((await admin('GET', '/keys/timed')).body.updated_at).toBe(changed.updated_at)
    await sleep(5)
    expect(String((await admin('POST', '/keys/timed/rotate')).body.updated_at) > String(changed.updated_at)).toBe(true)
  })

  test('have limits that hold', async () => {
    const { admin, ask } = await start()
    const { secret } = (await admin('POST', '/keys', { name: 'small', limits: { requests_per_day: 1 } })).body
    expect([await ask(secret), await ask(secret)]).toEqual([200, 429])
    await admin('PATCH', '/keys/small', { limits: { requests_per_day: 2 } })
    expect([await ask(secret), await ask(secret)]).toEqual([200, 429])
  })

  test('go on while Redis is away, and nothing is changed then', async () => {
    const { admin, ask, origin } = await start({ METRICS_TOKEN: ADMIN })
    const { secret } = (await admin('POST', '/keys', { name: 'steady' })).body
    await redisServer.halt()
    try {
      expect(await ask(secret)).toBe(200)
      const refused = await admin('POST', '/keys/steady/disable')
      expect(refused.status).toBe(503)
      const metric = async (name: string): Promise<number> => {
        const page = await (await fetch(`${origin}/metrics`, { headers: { authorization: `Bearer ${ADMIN}` } })).text()
        return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(page)?.[1])
      }
      await eventually('the metrics tell', async () => (await metric('ferry_keys_sync_failures_total')) > 0, 5000)
      await eventually('the age grows', async () => (await metric('ferry_keys_age_seconds')) > 1, 5000)
    } finally {
      await redisServer.resume()
    }
    // The server has lost everything: what it does not have is not taken any more.
    await eventually('the key is gone', async () => (await ask(secret)) === 401, 10_000)
  })
})

describe('the admin API', () => {
  test('is not there without a token', async () => {
    const { origin } = await startTestBff(afterBody(() => plainAnswer()))
    for (const path of ['/admin/v1/keys', '/admin/v1/usage']) {
      const response = await fetch(origin + path, { headers: { authorization: `Bearer ${BFF_KEY}` } })
      expect(response.status).toBe(404)
    }
  })

  test('takes no BFF key, and has a port of its own where it is told to', async () => {
    const { origin, bff, admin } = await start({ ADMIN_PORT: '0' })
    expect((await fetch(`${origin}/admin/v1/keys`, { headers: { authorization: `Bearer ${ADMIN}` } })).status).toBe(404)
    expect(bff.adminPort).toBeGreaterThan(0)
    expect((await admin('GET', '/keys')).status).toBe(200)
    expect((await admin('GET', '/keys', undefined, BFF_KEY)).status).toBe(401)
    expect((await fetch(`http://127.0.0.1:${bff.adminPort}/v1/models`)).status).toBe(404)
  })

  test('writes a line for every change: who, what and which fields, and never a secret', async () => {
    const { admin, ask, logLines } = await start()
    const { secret, id } = (await admin('POST', '/keys', { name: 'audited', owner: 'private-person' })).body
    await admin('PATCH', '/keys/audited', { limits: { streams: 3 } }, `${ADMIN}-ci`)
    const rotated = (await admin('POST', '/keys/audited/rotate', {})).body.secret
    await ask(rotated)
    for (const action of ['disable', 'enable']) await admin('POST', `/keys/audited/${action}`)
    await admin('DELETE', '/keys/audited')
    await admin('GET', '/keys', undefined, 'wrong-token-0123456789abcdef')
    const audit = logLines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ event }) => event === 'audit')
    expect(audit.map(({ actor, action, fields }) => [actor, action, fields])).toEqual([
      ['ops', 'key.create', ['name', 'owner']],
      ['ci', 'key.update', ['limits']],
      ['ops', 'key.rotate', ['secret', 'sessions']],
      ['ops', 'key.disable', ['disabled']],
      ['ops', 'key.enable', ['disabled']],
      ['ops', 'key.delete', []],
    ])
    expect(audit[0]).toMatchObject({ keyId: id, keyName: 'audited', address: '127.0.0.1' })
    const log = logLines.join('')
    for (const text of [secret, rotated, ADMIN, 'wrong-token', 'private-person']) expect(log).not.toContain(text)
  })

  test('reports usage whose sums are the ledger’s, as JSON and as CSV, deleted keys included', async () => {
    const { admin, ask, ledger, origin } = await start()
    const one = (await admin('POST', '/keys', { name: 'one' })).body
    const two = (await admin('POST', '/keys', { name: 'two' })).body
    for (const user of ['ann', 'bob', 'ann']) expect(await ask(one.secret, { user })).toBe(200)
    expect(await ask(two.secret, { user: '=cmd()', model: 'second/gpt-y' })).toBe(200)
    expect(await ask(BFF_KEY)).toBe(200)
    await admin('DELETE', '/keys/two')
    await eventually('the ledger is out', () => ledger().length === 5, 5000)
    const sums = ledger().reduce(
      (sum, { promptTokens, completionTokens, costNanos }) => ({
        calls: sum.calls + 1,
        tokens: sum.tokens + promptTokens + completionTokens,
        nanos: sum.nanos + (costNanos ?? 0),
      }),
      { calls: 0, tokens: 0, nanos: 0 },
    )
    expect(sums.nanos).toBeGreaterThan(0)
    for (const by of ['key', 'user', 'model', 'day', 'hour']) {
      const response = await fetch(`${origin}/admin/v1/usage?by=${by}&format=csv`, {
        headers: { authorization: `Bearer ${ADMIN}` },
      })
      expect(response.headers.get('content-type')).toContain('text/csv')
      const [head = '', ...lines] = (await response.text()).trimEnd().split('\r\n')
      const columns = head.split(',')
      const column = (name: string): number =>
        lines.reduce((sum, line) => sum + Number(line.split(',')[columns.indexOf(name)]), 0)
      expect(column('calls'), by).toBe(sums.calls)
      expect(column('prompt_tokens') + column('completion_tokens'), by).toBe(sums.tokens)
      expect(Math.round(column('cost_usd') * 1e9), by).toBe(sums.nanos)
      if (by === 'user') expect(lines.join()).toContain("'=cmd()")
    }
    const rows = async (query: string): Promise<Record<string, unknown>[]> =>
      ((await admin('GET', `/usage?${query}`)).body as unknown as { data: Record<string, unknown>[] }).data
    expect((await rows('by=key')).map(({ key_name, calls }) => [key_name, calls]).toSorted()).toEqual([
      ['app', 1],
      ['one', 3],
      ['two', 1],
    ])
    expect(await rows('by=user&key=one&user=ann')).toMatchObject([{ user: 'ann', calls: 2, key_name: 'one' }])
    expect(await rows('by=model&user=ann')).toMatchObject([{ model: 'gpt-x', calls: 2 }])
    expect((await admin('GET', '/usage?by=hour&user=ann')).status).toBe(400)
    expect((await admin('GET', '/usage?by=week')).status).toBe(400)
    expect((await admin('GET', '/usage?key=nobody')).status).toBe(404)
  })
})

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const heapAfterGc = (): number => {
  collect()
  return process.memoryUsage().heapUsed
}

describe('throttles', () => {
  test('a hundred thousand addresses fill no memory', async () => {
    const throttle = new Throttle({ points: 5, seconds: 60, message: 'Too many' })
    const before = heapAfterGc()
    for (let i = 0; i < 100_000; i++)
      await throttle.count(`2001:db8:${(i >> 8).toString(16)}:${i & 255}::1`).catch(() => {})
    expect(heapAfterGc() - before).toBeLessThan(20_000_000)
  })

  test('all of an IPv6 network is one', async () => {
    const throttle = new Throttle({ points: 1, seconds: 60, message: 'Too many' })
    await throttle.count('2001:db8:1:2:3::4')
    await expect(throttle.count('2001:db8:1:2:ffff:1:2:3')).rejects.toThrow('Too many: wait')
  })

  test('strange keys get 429 after a minute’s worth, known ones go on, and memory stays as it is', async () => {
    const { chat, ask, logLines } = await start()
    const strange = async (n: number): Promise<Response> =>
      chat({}, { headers: { authorization: `Bearer strange-key-${n}-0123456789` } })
    const statuses = new Map<number, number>()
    for (let i = 0; i < 500; i++) await (await strange(i)).text()
    const before = heapAfterGc()
    for (let n = 0; n < 9500; n += 50) {
      const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => strange(n + i)))
      for (const answer of answers) {
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
        await answer.text()
      }
      logLines.length = 0
    }
    expect(statuses.get(429) ?? 0).toBeGreaterThan(9000)
    expect(heapAfterGc() - before).toBeLessThan(16_000_000)
    const refused = await strange(1)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await errorOf(refused)).toMatchObject({ code: 'rate_limit_exceeded' })
    expect(await ask(BFF_KEY)).toBe(200)
  }, 60_000)

  test('wrong admin tokens shut the door for their address', async () => {
    const { admin } = await start()
    for (let i = 0; i < 10; i++) {
      expect((await admin('GET', '/keys', undefined, `wrong-token-${i}-0123456789`)).status).toBe(401)
    }
    expect((await admin('GET', '/keys')).status).toBe(429)
  })
})
