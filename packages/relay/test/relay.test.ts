import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { chatBytes, DIALECTS, requestBytes } from '../../../test/testkit/dialects.ts'
import { exchange, headerOf } from '../../../test/testkit/raw-client.ts'
import { RELAY_TOKEN, relayEnv } from '../../../test/testkit/services.ts'
import { readRelayConfig } from '../src/config.ts'
import { rig } from './rig.ts'

const { openai, anthropic } = DIALECTS

describe('the relay', () => {
  const test = rig({ ANTHROPIC_API_KEY: '' })

  it('tells that it is alive and ready', async () => {
    for (const path of ['/health', '/ready']) {
      const answer = await fetch(`${test.origin}${path}`)
      const { status, timestamp } = (await answer.json()) as { status: string; timestamp: string }
      expect([answer.status, status, new Date(timestamp).toISOString()]).toEqual([200, 'ok', timestamp])
    }
  })

  it('refuses what it has no route, vendor or key for', async () => {
    const fault = async (target: string, headers = [openai.credential]): Promise<unknown> => {
      const answer = await exchange(test.port, requestBytes({ target, headers }))
      return [answer.status, headerOf(answer, 'x-ferry-error'), headerOf(answer, 'x-ferry-reached')]
    }
    expect(await fault('/v1/chat/completions')).toEqual([404, 'not_found', 'no'])
    expect(await fault('/proxy/mistral/v1/x')).toEqual([404, 'vendor_not_found', 'no'])
    expect(await fault('/proxy/anthropic/v1/messages', [anthropic.credential])).toEqual([
      503,
      'vendor_not_configured',
      'no',
    ])
    expect(test.lines.filter(({ event }) => event === 'vendor_without_key')).toMatchObject([
      { vendor: 'anthropic', set: 'ANTHROPIC_API_KEY' },
    ])
  })

  it('gives each request an id, the one of a BFF in front if there is one', async () => {
    const id = async (headers: readonly (readonly [string, string])[]): Promise<string | undefined> =>
      headerOf(await exchange(test.port, chatBytes(openai, { headers })), 'x-ferry-request-id')
    expect(await id([])).toMatch(/^req_[0-9a-f]{32}$/)
    expect(await id([['x-ferry-request-id', 'bff-0123456789']])).toBe('bff-0123456789')
    expect(await id([['x-ferry-request-id', 'a b"c']])).toMatch(/^req_/)
  })

  it('takes other tokens and keys while it runs', async () => {
    const env = { ...relayEnv(test.vendor.origin), HOST: '127.0.0.1' }
    const next = { ...env, RELAY_TOKENS: 'app:token-after-0123456789', OPENAI_API_KEY: 'sk-after' }
    test.relay.reload(readRelayConfig(next))
    expect((await exchange(test.port, chatBytes(openai))).status).toBe(401)
    const headers = [['authorization', 'Bearer token-after-0123456789']] as const
    await exchange(test.port, requestBytes({ target: '/proxy/openai/v1/models', headers }))
    expect(test.vendor.only.header('authorization')).toBe('Bearer sk-after')
  })

  it('counts by vendor, method and status', async () => {
    await exchange(test.port, chatBytes(openai))
    await exchange(test.port, requestBytes({ method: 'GET', target: '/proxy/openai/v1/models' }))
    const metrics = await test.metrics()
    expect(metrics).toContain('http_requests_total{vendor="openai",method="POST",status="200"} 1')
    expect(metrics).toContain('http_requests_total{vendor="openai",method="GET",status="401"} 1')
    expect(metrics).toContain('relay_errors_total{vendor="openai",code="authentication_failed"} 1')
    expect(metrics).toContain('relay_vendor_head_seconds_count{vendor="openai"} 1')
    expect(test.lines.at(-1)).toMatchObject({ path: '/v1/models', status: 401, code: 'authentication_failed' })
  })
})

describe('tokens with limits', () => {
  const test = rig({ RELAY_TOKENS: `app:${RELAY_TOKEN}` })
  it('answer 429 with a wait, in the vendor’s shape', async () => {
    const env = { ...relayEnv(test.vendor.origin), HOST: '127.0.0.1' }
    const config = readRelayConfig(env)
    test.relay.reload({ ...config, tokens: [{ name: 'app', token: RELAY_TOKEN, requestsPerMinute: 1 }] })
    expect((await exchange(test.port, chatBytes(anthropic))).status).toBe(200)
    const refused = await exchange(test.port, chatBytes(anthropic))
    expect([refused.status, headerOf(refused, 'x-ferry-error')]).toEqual([429, 'rate_limit_exceeded'])
    expect(Number(headerOf(refused, 'retry-after'))).toBeGreaterThan(0)
    expect(anthropic.errorMessage(refused.body.toString())).toBeTruthy()
  })
})

describe('a relay that drains', () => {
  const test = rig()
  it('is not ready, takes nothing new, and stops when nothing runs', async () => {
    test.vendor.script = () => [() => sleep(300)]
    const running = exchange(test.port, chatBytes(openai)).catch(() => undefined)
    await test.vendor.received()
    const stopped = test.relay.stop()
    expect((await fetch(`${test.origin}/ready`)).status).toBe(503)
    expect((await fetch(`${test.origin}/health`)).status).toBe(200)
    const refused = await exchange(test.port, chatBytes(openai))
    expect([refused.status, headerOf(refused, 'x-ferry-error'), headerOf(refused, 'connection')]).toEqual([
      503,
      'draining',
      'close',
    ])
    await test.vendor.stop()
    await Promise.all([running, stopped])
    expect(test.relay.server.listening).toBe(false)
  })
})
