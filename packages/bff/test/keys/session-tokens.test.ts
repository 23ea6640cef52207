import { setTimeout as sleep } from 'node:timers/promises'
import { createFerry } from '@llm-ferry/sdk'
import type { SessionToken, SessionTokenRequest } from '@llm-ferry/sdk/schema'
import { describe, expect, test } from 'vitest'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { afterBody } from '../../../../test/testkit/scripted-vendor.ts'
import { SessionTokens } from '../../src/keys/session-tokens.ts'
import { BFF_KEY, errorOf, plainAnswer, startTestBff, type TestBff } from '../support.ts'

const [FIRST, SECOND] = ['session-secret-one-0123456789', 'session-secret-two-0123456789']
const ADMIN = 'admin-token-0123456789abcdef'
const yaml = `keys:
  app: { native: stateless, limits: { requestsPerDay: 100, tokensPerDay: 100000, usdPerDay: 5 } }
prices: { openai/gpt-x: { input: 1, output: 1 }, second/gpt-x: { input: 1, output: 1 } }
`

interface Sessions extends TestBff {
  mint(body: Partial<SessionTokenRequest>, key?: string): Promise<Response>
  token(body?: Partial<SessionTokenRequest>, key?: string): Promise<string>
  /** A chat with a credential. */
  ask(credential: string, body?: Record<string, unknown>, headers?: Record<string, string>): Promise<Response>
  post(path: string, body?: object, credential?: string): Promise<Response>
}

async function start(env: Record<string, string> = {}, more = yaml): Promise<Sessions> {
  const bff = await startTestBff(
    afterBody(() => plainAnswer()),
    { SESSION_SECRET: FIRST, BFF_ADMIN_TOKEN: ADMIN, ...env },
    more,
  )
  const post = (path: string, body: object = {}, credential = BFF_KEY): Promise<Response> =>
    fetch(bff.origin + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const mint = (body: Partial<SessionTokenRequest>, key?: string): Promise<Response> =>
    post('/v1/session-tokens', body, key)
  return {
    ...bff,
    post,
    mint,
    token: async (body = {}, key) => {
      const response = await mint({ user: 'ann', ...body }, key)
      expect(response.status).toBe(201)
      return ((await response.json()) as SessionToken).token
    },
    ask: (credential, body, headers = {}) =>
      bff.chat(body, { headers: { authorization: `Bearer ${credential}`, ...headers } }),
  }
}

const usage = async (bff: Sessions, credential: string, query = 'by=user'): Promise<Record<string, unknown>[]> => {
  const headers = { authorization: `Bearer ${credential}` }
  const response = await fetch(`${bff.origin}/v1/usage?${query}`, { headers })
  return ((await response.json()) as { data: Record<string, unknown>[] }).data
}

describe('a session token', () => {
  test('calls for its end user, whatever a call says itself', async () => {
    const bff = await start()
    const token = await bff.token({ user: 'ann' })
    const told = { user: 'eve', safety_identifier: 'eve' }
    expect((await bff.ask(token, told, { 'x-ferry-user': 'eve' })).status).toBe(200)
    expect((await bff.ask(BFF_KEY, { user: 'bob' })).status).toBe(200)
    await eventually('both are counted', async () => (await usage(bff, BFF_KEY)).length === 2)
    expect((await usage(bff, BFF_KEY)).map(({ user }) => user)).toEqual(['ann', 'bob'])
    // And sees its own usage alone.
    for (const by of ['user', 'day', 'model']) {
      expect(await usage(bff, token, `by=${by}`), by).toMatchObject([{ calls: 1 }])
    }
    expect(await usage(bff, token, 'by=hour')).toBeUndefined()
  })

  test.each([
    ['x-api-key', (token: string) => ({ 'x-api-key': token })],
    ['x-goog-api-key', (token: string) => ({ 'x-goog-api-key': token })],
    ['api-key', (token: string) => ({ 'api-key': token })],
  ])('is taken in %s, as a key is, and not beside one', async (_, place) => {
    const bff = await start()
    const token = await bff.token()
    const ask = (headers: Record<string, string>): Promise<Response> => fetch(`${bff.origin}/v1/models`, { headers })
    expect((await ask(place(token))).status).toBe(200)
    expect((await ask({ ...place(token), authorization: `Bearer ${BFF_KEY}` })).status).toBe(401)
  })

  test('has narrower limits, which count for its user alone', async () => {
    const bff = await start()
    const ann = await bff.token({ user: 'ann', limits: { requests_per_day: 1 } })
    const bob = await bff.token({ user: 'bob', limits: { requests_per_day: 1 } })
    expect((await bff.ask(ann)).status).toBe(200)
    expect((await bff.ask(ann)).status).toBe(429)
    expect((await bff.ask(bob)).status).toBe(200)
    // Another token for the same user is the same user.
    expect((await bff.ask(await bff.token({ user: 'ann', limits: { requests_per_day: 1 } }))).status).toBe(429)
  })

  test.each([
    ['user_tokens_per_day', { tokens_per_day: 2000 }],
    ['user_cost_per_day', { usd_per_day: 0.002 }],
  ])('has limits of tokens and money (%s) over all vendors', async (name, limits) => {
    const bff = await start()
    const token = await bff.token({ user: 'ann', limits })
    // Each reserves more than half of what there is; the first one is over before the second.
    const both = await Promise.all([
      bff.ask(token, { max_tokens: 1500 }),
      bff.ask(token, { max_tokens: 1500, model: 'second/gpt-x' }),
    ])
    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 429])
    const refused = both.find(({ status }) => status === 429)!
    expect((await errorOf(refused)).limit).toMatchObject({ name })
    expect((await bff.ask(await bff.token({ user: 'bob', limits }), { max_tokens: 1500 })).status).toBe(200)
  })

  test('has fewer models', async () => {
    const bff = await start()
    const token = await bff.token({ models: ['openai/gpt-x'] })
    expect((await bff.ask(token)).status).toBe(200)
    const refused = await bff.ask(token, { model: 'second/gpt-x' })
    expect([refused.status, (await errorOf(refused)).param]).toEqual([403, 'model'])
  })

  test.each([
    ['limits.requests_per_minute', { limits: { requests_per_minute: 61 } }],
    ['limits.requests_per_day', { limits: { requests_per_day: 101 } }],
    ['limits.tokens_per_day', { limits: { tokens_per_day: 100_001 } }],
    ['limits.usd_per_day', { limits: { usd_per_day: 5.01 } }],
    ['limits.requests_per_day', { limits: { requests_per_day: -1 } }],
    ['limits.requests_per_day', { limits: { requests_per_day: 1.5 } }],
    ['limits.streams', { limits: { streams: 1 } as never }],
    ['native', { native: 'full' as const }],
    ['expires_in', { expires_in: 86_401 }],
    ['expires_in', { expires_in: 0 }],
    ['user', { user: '' }],
    ['user', { user: 'x'.repeat(257) }],
    ['user', { user: undefined as never }],
    ['admin', { admin: true } as never],
  ])('is refused when it asks for more: %s', async (param, body) => {
    const { mint } = await start()
    const response = await mint({ user: 'ann', ...body })
    expect([response.status, (await errorOf(response)).param]).toEqual([400, param])
  })

  test('cannot have models that its key has not', async () => {
    const narrow = yaml.replace('native: stateless', 'models: [openai/gpt-x, second/*]')
    const { mint } = await start({}, narrow)
    for (const [models, param] of [
      [['openai/gpt-x', 'openai/gpt-y'], 'models[1]'],
      [['openai/*'], 'models[0]'],
      [['gemini/x'], 'models[0]'],
    ] as const) {
      const response = await mint({ user: 'ann', models: [...models] })
      expect([response.status, (await errorOf(response)).param]).toEqual([400, param])
    }
    expect((await mint({ user: 'ann', models: ['second/any', 'second/*', 'openai/gpt-x'] })).status).toBe(201)
  })

  test('mints nothing, is no admin, and goes to native routes only where it was minted for them', async () => {
    const bff = await start()
    const token = await bff.token()
    const minted = await bff.mint({ user: 'eve' }, token)
    expect([minted.status, (await errorOf(minted)).code]).toEqual([403, 'permission_denied'])
    const admin = await fetch(`${bff.origin}/admin/v1/keys`, { headers: { authorization: `Bearer ${token}` } })
    expect(admin.status).toBe(401)
    const chat = { model: 'gpt-x', messages: [{ role: 'user', content: 'Hi' }] }
    const native = async (credential: string): Promise<number> => {
      const response = await bff.post('/proxy/openai/v1/chat/completions', chat, credential)
      await response.text()
      return response.status
    }
    expect(await native(token)).toBe(403)
    expect((await bff.post('/v1/responses', { model: 'gpt-x', input: 'Hi', store: false }, token)).status).toBe(403)
    expect(await native(await bff.token({ native: 'stateless' }))).toBe(200)
  })

  test('ends when its time is over', async () => {
    const bff = await start()
    const token = await bff.token({ expires_in: 1 })
    expect((await bff.ask(token)).status).toBe(200)
    await sleep(1100)
    const refused = await bff.ask(token)
    expect([refused.status, (await errorOf(refused)).message]).toEqual([401, expect.stringContaining('has expired')])
  })

  test('dies with its key: disabled, expired, rotated with revocation, deleted', async () => {
    const bff = await start()
    const admin = async (method: string, path: string, body?: object): Promise<Record<string, string>> => {
      const response = await fetch(`${bff.origin}/admin/v1${path}`, {
        method,
        headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' },
        ...(body && { body: JSON.stringify(body) }),
      })
      return (await response.json()) as Record<string, string>
    }
    const alive = async (token: string): Promise<number> => (await bff.ask(token)).status
    const { secret = '' } = await admin('POST', '/keys', { name: 'device' })
    let token = await bff.token({}, secret)
    expect(await alive(token)).toBe(200)
    await admin('POST', '/keys/device/disable')
    expect(await alive(token)).toBe(401)
    await admin('POST', '/keys/device/enable')
    expect(await alive(token)).toBe(200)
    await admin('PATCH', '/keys/device', { expires_at: '2020-01-01T00:00:00Z' })
    expect(await alive(token)).toBe(401)
    await admin('PATCH', '/keys/device', { expires_at: null })
    const second = (await admin('POST', '/keys/device/rotate', { revoke_sessions: false })).secret ?? ''
    expect(await alive(token)).toBe(200)
    expect(await alive(secret)).toBe(401)
    const third = (await admin('POST', '/keys/device/rotate')).secret ?? ''
    expect([await alive(token), await alive(second)]).toEqual([401, 401])
    token = await bff.token({}, third)
    expect(await alive(token)).toBe(200)
    await admin('DELETE', '/keys/device')
    expect(await alive(token)).toBe(401)
  })

  test('outlives a change of SESSION_SECRET while the old one stands beside the new', async () => {
    const token = await (await start()).token()
    const both = await start({ SESSION_SECRET: `${SECOND},${FIRST}` })
    expect((await both.ask(token)).status).toBe(200)
    const newer = await both.token()
    const after = await start({ SESSION_SECRET: SECOND })
    expect((await after.ask(token)).status).toBe(401)
    expect((await after.ask(newer)).status).toBe(200)
  })

  test('is none of ours when anything of it was changed', async () => {
    const bff = await start()
    const token = await bff.token({ user: 'ann' })
    const [head = '', payload = '', mac = ''] = token.split('.')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
    const forged = (change: object): string =>
      [head, Buffer.from(JSON.stringify({ ...claims, ...change })).toString('base64url'), mac].join('.')
    const foreign = new SessionTokens([SECOND]).mint({ k: 'app', g: '', u: 'ann', e: 9_999_999_999 })
    for (const one of [
      forged({ u: 'eve' }),
      forged({ e: 9_999_999_999 }),
      token.slice(0, -2),
      `${head}.${payload}.`,
      foreign,
      'fst1.',
      'fst1.e30.AA',
    ]) {
      expect((await bff.ask(one)).status, one).toBe(401)
    }
  })

  test('never stands in a log', async () => {
    const bff = await start()
    const token = await bff.token({ user: 'ann' })
    await (await bff.ask(token)).text()
    await bff.ask(`${token}x`)
    await eventually('lines', () => bff.logLines.join('').includes('"status":401'))
    const log = bff.logLines.join('')
    for (const secret of [token, token.slice(5, 60), FIRST, BFF_KEY, ADMIN]) expect(log).not.toContain(secret)
  })

  test('cannot be had without SESSION_SECRET, which the answer names', async () => {
    const { mint } = await startWithout()
    const response = await mint({ user: 'ann' })
    expect(response.status).toBe(404)
    expect((await errorOf(response)).message).toContain('SESSION_SECRET')
  })

  test('comes from ferry.sessionTokens.create', async () => {
    const { origin } = await start()
    const ferry = createFerry({ baseURL: origin, apiKey: BFF_KEY })
    const session = await ferry.sessionTokens.create({
      user: '设备-7',
      limits: { requests_per_day: 3 },
      expires_in: 60,
    })
    expect(session).toMatchObject({ object: 'session_token', user: '设备-7', expires_in: 60 })
    const device = createFerry({ baseURL: origin, apiKey: session.token })
    expect((await device.chat({ model: 'openai/gpt-x', messages: [{ role: 'user', content: 'Hi' }] })).text).not.toBe(
      '',
    )
    await expect(device.sessionTokens.create({ user: 'eve' })).rejects.toMatchObject({ code: 'permission_denied' })
  })
})

const startWithout = (): Promise<Sessions> => start({ SESSION_SECRET: '' })
