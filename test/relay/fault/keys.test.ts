import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { chatBytes, DIALECTS, json, requestBytes } from '../../testkit/dialects.ts'
import { exchange, headerOf } from '../../testkit/raw-client.ts'
import { afterBody, ScriptedVendor, type Step } from '../../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, relayEnv, type Service, startRelay } from '../../testkit/services.ts'

const KEYS = ['sk-pool-a-0123456789', 'sk-pool-b-0123456789', 'sk-pool-c-0123456789'] as const
const SECOND_TOKEN = 'relay-token-second-0123456789abcdef'
const openai = DIALECTS.openai

describe('a pool of keys', () => {
  let vendor: ScriptedVendor
  let relay: Service
  /** What the vendor answers to each key; 200 where nothing is said. */
  let answers: Map<string, readonly Step[]>

  beforeEach(async () => {
    answers = new Map()
    vendor = await ScriptedVendor.start()
    vendor.script = afterBody(({ headers }) => {
      const key = headers.find(([name]) => /^authorization$/i.test(name))?.[1].slice('Bearer '.length) ?? ''
      return answers.get(key) ?? json(openai.answer)
    })
    relay = await startRelay(
      relayEnv(vendor.origin, {
        OPENAI_API_KEY: KEYS.join(','),
        RELAY_TOKENS: `app:${RELAY_TOKEN},other:${SECOND_TOKEN}`,
      }),
    )
  })
  afterEach(async () => {
    for (const key of KEYS) expect(relay.log()).not.toContain(key)
    await relay.stop()
    await vendor.stop()
  })

  const call = () => exchange(relay.port, chatBytes(openai))
  const upload = (target: string, token = RELAY_TOKEN, method = 'GET') =>
    exchange(
      relay.port,
      requestBytes({ method, target: `/proxy/openai/v1/${target}`, headers: [['authorization', `Bearer ${token}`]] }),
    )
  const keyOf = (index: number): string =>
    vendor.requests[index]?.header('authorization')?.slice('Bearer '.length) ?? ''
  const used = (from = 0): ReadonlySet<string> =>
    new Set(vendor.requests.slice(from).map((_, index) => keyOf(from + index)))
  const many = async (count: number): Promise<void> => {
    for (let made = 0; made < count; made++) await call()
  }

  it('spreads the calls', async () => {
    await many(12)
    expect(used()).toEqual(new Set(KEYS))
  })

  it('lets a key rest that was refused, replays nothing, and serves with the others', async () => {
    answers.set(KEYS[1], json('{"error":{"message":"bad key"}}', 401))
    let refused = 0
    for (let made = 0; made < 12; made++) {
      const answer = await call()
      if (answer.status === 200) continue
      refused++
      expect(answer.status).toBe(502)
      expect(headerOf(answer, 'x-ferry-error')).toBe('vendor_key_rejected')
    }
    expect(refused).toBe(1)
    expect(vendor.requests, 'one call, one request').toHaveLength(12)
    expect(vendor.requests.filter((_, index) => keyOf(index) === KEYS[1])).toHaveLength(1)
  })

  it("passes a 429 on as it is, and lets the key rest for the vendor's Retry-After", async () => {
    const body =
      '{"error":{"message":"Rate limit reached","type":"requests","param":null,"code":"rate_limit_exceeded"}}'
    answers.set(
      KEYS[0],
      json(body, 429, [
        ['retry-after', '1'],
        ['x-request-id', 'req_429'],
      ]),
    )
    const seen: number[] = []
    for (let made = 0; made < 9; made++) {
      const answer = await call()
      seen.push(answer.status)
      if (answer.status !== 429) continue
      expect(answer.body.toString()).toBe(body)
      expect(headerOf(answer, 'retry-after')).toBe('1')
      expect(headerOf(answer, 'x-request-id')).toBe('req_429')
    }
    expect(seen.filter((status) => status === 429)).toHaveLength(1)
    answers.clear()
    const before = vendor.requests.length
    await sleep(1200)
    await many(9)
    expect(used(before), 'back after its rest').toContain(KEYS[0])
  })

  it('keeps files, batches and stored responses of one token at one key', async () => {
    const targets = [
      'files',
      'files/f1',
      'files/f1/content',
      'batches',
      'batches/b1',
      'uploads/u1',
      'vector_stores',
      'responses/r1',
      'conversations/c1',
      'fine_tuning/jobs',
    ]
    for (const target of targets) {
      await many(1)
      await upload(target)
    }
    const sticky = vendor.requests.map((_, index) => keyOf(index)).filter((_, index) => index % 2 === 1)
    expect(new Set(sticky).size).toBe(1)
    for (const target of targets) await upload(target, SECOND_TOKEN)
    const other = vendor.requests.map((_, index) => keyOf(index)).slice(-targets.length)
    expect(new Set(other).size).toBe(1)
  })

  it('keeps them there while another key rests, and across a restart', async () => {
    await upload('files')
    const key = keyOf(0)
    for (const each of KEYS) if (each !== key) answers.set(each, json('{}', 429, [['retry-after', '60']]))
    await many(6)
    await upload('files/f1')
    expect(keyOf(vendor.requests.length - 1)).toBe(key)
    await relay.stop()
    relay = await startRelay(relayEnv(vendor.origin, { OPENAI_API_KEY: KEYS.join(',') }))
    await upload('files/f1')
    expect(keyOf(vendor.requests.length - 1)).toBe(key)
  })

  it('shows which key served as a label, never the key', async () => {
    await many(6)
    const metrics = await (await fetch(`http://127.0.0.1:${relay.metricsPort}/metrics`)).text()
    for (const key of KEYS) expect(metrics).not.toContain(key)
    const labels = new Set([...metrics.matchAll(/^[a-z_]+\{[^}]*\bkey="([^"]+)"/gm)].map(([, label]) => label))
    expect(labels.size).toBeGreaterThanOrEqual(KEYS.length)
  })
})
