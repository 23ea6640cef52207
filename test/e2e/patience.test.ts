import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DIALECTS, json } from '../testkit/dialects.ts'
import { afterBody, delay, ScriptedVendor } from '../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, relayEnv, type Service, startBff, startRelay } from '../testkit/services.ts'

const BFF_KEY = 'bff-key-of-app-0123456789'

describe('a model that takes longer than a relay waits by itself', () => {
  let vendor: ScriptedVendor
  let relay: Service
  let bff: Service

  beforeAll(async () => {
    vendor = await ScriptedVendor.start({ script: afterBody(() => [delay(1200), ...json(DIALECTS.openai.answer)]) })
    relay = await startRelay(relayEnv(vendor.origin, { REQUEST_TIMEOUT_MS: '300' }))
    bff = await startBff({ BFF_KEYS: `app:${BFF_KEY}`, RELAY_URLS: relay.origin, RELAY_TOKEN, MAX_RETRIES: '0' })
  })

  afterAll(async () => {
    await Promise.all([relay?.stop(), bff?.stop(), vendor?.stop()])
  })

  const post = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${bff.origin}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${BFF_KEY}`, 'content-type': 'application/json', ...headers },
      body: DIALECTS.openai.body.replace('gpt-x', path.startsWith('/v1') ? 'openai/gpt-x' : 'gpt-x'),
    })

  it.each(['/v1/chat/completions', '/proxy/openai/v1/chat/completions'])('answers at %s', async (path) => {
    expect((await post(path)).status).toBe(200)
  })

  it('is given up when the caller’s own time is up', async () => {
    const response = await post('/v1/chat/completions', { 'x-ferry-timeout-ms': '500' })
    expect(response.headers.get('x-ferry-error')).toBe('upstream_timeout')
  })
})
