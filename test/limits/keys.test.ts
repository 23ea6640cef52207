import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listen } from '@llm-ferry/kit'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DIALECTS } from '../testkit/dialects.ts'
import { eventually } from '../testkit/eventually.ts'
import { type RedisServer, startRedis } from '../testkit/redis.ts'
import { type Service, startBff } from '../testkit/services.ts'

const ADMIN = 'admin-token-0123456789abcdef'
const SESSION_SECRET = 'session-secret-0123456789abcdef'
const PROCESSES = 4

let redis: RedisServer
let vendor: Server
const bffs: Service[] = []

beforeAll(async () => {
  redis = await startRedis()
  vendor = createServer((request, response) => {
    request.resume()
    request.on('end', () => response.setHeader('content-type', 'application/json').end(DIALECTS.openai.answer))
  })
  const port = await listen(vendor, 0, '127.0.0.1')
  const config = join(mkdtempSync(join(tmpdir(), 'ferry-keys-')), 'ferry.yaml')
  const direct = (name: string): string =>
    `  ${name}: { dialect: ${name}, origin: "http://127.0.0.1:${port}", apiKey: none }\n`
  writeFileSync(config, `vendors:\n${['openai', 'anthropic', 'gemini'].map(direct).join('')}`)
  const env = {
    BFF_ADMIN_TOKEN: ADMIN,
    SESSION_SECRET,
    FERRY_CONFIG: config,
    REDIS_URL: redis.url,
    SPOOL_DIR: join(config, '../spool'),
  }
  for (let i = 0; i < PROCESSES; i++) bffs.push(await startBff(env))
}, 60_000)
afterAll(async () => {
  await Promise.all(bffs.map((bff) => bff.stop()))
  vendor?.close()
  await redis?.stop()
})

const post = (bff: Service, path: string, credential: string, body: object = {}): Promise<Response> =>
  fetch(bff.origin + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

const chat = { model: 'openai/gpt-x', messages: [{ role: 'user', content: 'Hi' }] }
const statuses = async (credential: string): Promise<number[]> => {
  const answers = await Promise.all(bffs.map((bff) => post(bff, '/v1/chat/completions', credential, chat)))
  await Promise.all(answers.map((answer) => answer.text()))
  return answers.map(({ status }) => status)
}
const everywhere = (status: number): number[] => Array.from({ length: PROCESSES }, () => status)

/** Milliseconds until all processes answer with the status. */
async function until(status: number, credential: string): Promise<number> {
  const began = performance.now()
  await eventually(
    `${status} everywhere`,
    async () => (await statuses(credential)).every((one) => one === status),
    5000,
  )
  return performance.now() - began
}

test('a change of a key is in force on four processes within a second, and so is it for its session tokens', async () => {
  const [first, second, third] = bffs as [Service, Service, Service]
  const created = await post(first, '/admin/v1/keys', ADMIN, {
    name: 'device',
    limits: { requests_per_minute: 10_000 },
  })
  const { secret } = (await created.json()) as { secret: string }
  expect(await until(200, secret)).toBeLessThan(1000)
  const session = await post(second, '/v1/session-tokens', secret, { user: 'ann' })
  const { token } = (await session.json()) as { token: string }
  expect(await statuses(token)).toEqual(everywhere(200))

  expect((await post(third, '/admin/v1/keys/device/disable', ADMIN)).status).toBe(200)
  expect(await until(401, secret)).toBeLessThan(1000)
  expect(await statuses(token)).toEqual(everywhere(401))

  expect((await post(first, '/admin/v1/keys/device/enable', ADMIN)).status).toBe(200)
  expect(await until(200, secret)).toBeLessThan(1000)
  const rotated = await post(second, '/admin/v1/keys/device/rotate', ADMIN)
  const fresh = ((await rotated.json()) as { secret: string }).secret
  expect(await until(401, secret)).toBeLessThan(1000)
  expect(await statuses(fresh)).toEqual(everywhere(200))
  expect(await statuses(token)).toEqual(everywhere(401))
  const output = bffs.map((bff) => bff.log()).join('\n')
  expect(output).toContain('"event":"audit"')
  for (const text of [secret, fresh, token, ADMIN, SESSION_SECRET]) expect(output).not.toContain(text)
})

test('polling alone is quick enough: a process that hears nothing has the change within a second', async () => {
  const created = await post(bffs[0] as Service, '/admin/v1/keys', ADMIN, { name: 'deaf' })
  const { secret } = (await created.json()) as { secret: string }
  expect(await until(200, secret)).toBeLessThan(1000)
  // No subscription lives through this, and none comes back.
  await redis.command('ACL SETUSER default -subscribe')
  await redis.command('CLIENT KILL TYPE pubsub')
  expect((await post(bffs[0] as Service, '/admin/v1/keys/deaf/disable', ADMIN)).status).toBe(200)
  expect(await until(401, secret)).toBeLessThan(1000)
  await redis.command('ACL SETUSER default +subscribe')
})
