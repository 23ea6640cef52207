import { createHmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { LINK_HEADERS } from '@llm-ferry/sdk/link/wire'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { delay, ScriptedVendor } from '../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, type Service, startBff } from '../testkit/services.ts'
import { answerRightly, startRelayHere } from './rig.ts'

// All callers of a BFF share its relay token. Whoever learns the id of another one's exchange (from a log, by guessing)
// must not get its answer, nor end it, whatever headers he sends.

const ALICE = 'bff-key-alice-0123456789abcdef0123'
const MALLORY = 'bff-key-mallory-0123456789abcdef01'
const BFF_KEYS = `alice:${ALICE},mallory:${MALLORY}`
let vendor: ScriptedVendor
let relay: Awaited<ReturnType<typeof startRelayHere>>
let bffs: readonly Service[]
let carriers: IncomingMessage[] = []

beforeAll(async () => {
  vendor = await ScriptedVendor.start()
  relay = await startRelayHere(vendor)
  relay.server.on('request', (request: IncomingMessage) => {
    if (request.headers[LINK_HEADERS.exchange] !== undefined) carriers.push(request)
  })
  const env = { RELAY_URLS: relay.origin, RELAY_TOKEN }
  bffs = await Promise.all([
    startBff({ BFF_KEYS, ...env }),
    startBff({ BFF_KEYS: BFF_KEYS.replace(ALICE, `${ALICE}-rotated`), ...env }),
  ])
})
afterAll(async () => {
  await Promise.all(bffs.map((bff) => bff.stop()))
  await relay.stop()
  await vendor.stop()
})
beforeEach(() => {
  carriers = []
  vendor.clear()
  answerRightly(vendor)
})

const QUESTION = { messages: [{ role: 'user', content: 'hello' }] }

interface Asked {
  readonly key?: string
  readonly bff?: number
  readonly path?: string
  readonly headers?: Record<string, string>
  readonly body?: object
}

function ask({ key = ALICE, bff = 0, path = '/v1/chat/completions', headers = {}, body = {} }: Asked = {}) {
  const model = path.startsWith('/proxy') ? 'gpt-5-mini' : 'openai/gpt-5-mini'
  return fetch(`${bffs[bff]?.origin}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model, ...QUESTION, ...body }),
  })
}

async function carriedBy(asked: Asked): Promise<IncomingMessage> {
  carriers = []
  const answer = await ask(asked)
  await answer.arrayBuffer()
  expect(answer.status).toBe(200)
  const [carrier] = carriers
  if (!carrier) throw new Error('nothing reached the relay')
  return carrier
}

const scopeOf = async (asked: Asked = {}): Promise<unknown> => (await carriedBy(asked)).headers[LINK_HEADERS.scope]

const ROUTES = ['/v1/chat/completions', '/proxy/openai/v1/chat/completions']

describe('the scope', () => {
  test('is the same for a caller in every process, and over a rotation of his key', async () => {
    const scope = await scopeOf()
    expect(scope).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(await scopeOf()).toBe(scope)
    expect(await scopeOf({ bff: 1, key: `${ALICE}-rotated` })).toBe(scope)
    expect(await scopeOf({ path: '/proxy/openai/v1/chat/completions' })).toBe(scope)
  })

  test('is another one for another key or end user, and no two pairs can be made to look alike', async () => {
    const scopes = [
      await scopeOf(),
      await scopeOf({ key: MALLORY }),
      await scopeOf({ key: MALLORY, headers: { 'x-ferry-user': 'alice' } }),
      await scopeOf({ headers: { 'x-ferry-user': 'bob' } }),
      await scopeOf({ headers: { 'x-ferry-user': 'mallory' } }),
      await scopeOf({ headers: { 'x-ferry-user': 'bob\\",\\"x' } }),
    ]
    expect(new Set(scopes).size).toBe(scopes.length)
  })

  test('tells nobody the key’s name or the end user', async () => {
    const scope = String(await scopeOf({ headers: { 'x-ferry-user': 'bob' } }))
    const guess = createHmac('sha256', RELAY_TOKEN)
      .update(JSON.stringify(['alice', 'bob']))
      .digest('base64url')
    expect(Buffer.from(scope, 'base64url').toString('latin1')).not.toMatch(/alice|bob/)
    expect(scope).not.toBe(guess)
  })
})

describe.each(ROUTES)('an attacker on %s who knows everything about an exchange', (path) => {
  test('gets a call of his own, and the victim her answer', async () => {
    answerRightly(vendor, (step) => [delay(100), step])
    const victim = ask({ path, body: { stream: true } }).then((answer) => answer.text())
    while (vendor.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    const hers = carriers[0]?.headers ?? {}
    const stolen = {
      [LINK_HEADERS.exchange]: String(hers[LINK_HEADERS.exchange]),
      [LINK_HEADERS.scope]: String(hers[LINK_HEADERS.scope]),
      [LINK_HEADERS.digest]: String(hers[LINK_HEADERS.digest]),
    }
    for (const offset of ['0', '1', '10']) {
      const headers = { ...stolen, [LINK_HEADERS.offset]: offset, [LINK_HEADERS.frames]: '1' }
      const answer = await ask({ key: MALLORY, path, headers, body: { stream: true } })
      await answer.text()
      expect(answer.status).toBe(200)
      expect(answer.headers.get(LINK_HEADERS.frames)).toBeNull()
    }
    expect(await victim).toMatch(/\[DONE\]/)
    const [, ...his] = carriers
    expect(his).toHaveLength(3)
    for (const { headers } of his) {
      expect(headers[LINK_HEADERS.exchange]).not.toBe(stolen[LINK_HEADERS.exchange])
      expect(headers[LINK_HEADERS.scope]).not.toBe(stolen[LINK_HEADERS.scope])
      expect(headers[LINK_HEADERS.offset]).toBeUndefined()
    }
    expect(vendor.requests).toHaveLength(4)
  })

  test('cannot reach it with the scope that is his, even at the relay', async () => {
    answerRightly(vendor, (step) => [delay(100), step])
    const victim = ask({ path, body: { stream: true } }).then((answer) => answer.text())
    while (vendor.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    const id = String(carriers[0]?.headers[LINK_HEADERS.exchange])
    const scope = String(await scopeOf({ key: MALLORY }))
    const cancelled = await fetch(`${relay.origin}/exchanges/${id}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${RELAY_TOKEN}`, [LINK_HEADERS.scope]: scope },
    })
    expect(cancelled.status).toBe(404)
    expect(await victim).toMatch(/\[DONE\]/)
  })
})

test('the ids of exchanges are not to be guessed: two differ in 128 bits at least', async () => {
  const ids = [await carriedBy({}), await carriedBy({})].map(({ headers }) => String(headers[LINK_HEADERS.exchange]))
  const [first, second] = ids.map((id) => Buffer.from(id.split('.')[1] ?? '', 'base64url'))
  expect(first?.length).toBeGreaterThanOrEqual(16)
  expect(first).not.toEqual(second)
})
