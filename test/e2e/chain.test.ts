import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFerry, FerryError } from '@llm-ferry/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Sandbox, startSandbox } from '../../tools/start/sandbox.ts'
import { DIALECTS } from '../testkit/dialects.ts'
import {
  afterBody,
  chunk,
  delay,
  fin,
  hang,
  head,
  lastChunk,
  reset,
  ScriptedVendor,
  type Step,
} from '../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, relayEnv, type Service, startBff, startRelay, VENDORS } from '../testkit/services.ts'

const BFF_KEY = 'bff-key-of-app-0123456789'

interface Chain {
  readonly relay: Service
  readonly bff: Service
  readonly ferry: ReturnType<typeof createFerry>
}

/** Relay and BFF as processes, and a client at the BFF. A fourth vendor is configuration at both and nothing else. */
async function startChain(upstream: string): Promise<Chain> {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-chain-'))
  const relayConfig = join(folder, 'relay.yaml')
  const bffConfig = join(folder, 'ferry.yaml')
  writeFileSync(
    relayConfig,
    `vendors:\n  deepseek: { dialect: openai, origin: "${upstream}", keys: [deepseek-key-0123456789] }\n`,
  )
  writeFileSync(bffConfig, 'vendors:\n  deepseek: { dialect: openai }\n')
  const relay = await startRelay(relayEnv(upstream, { RELAY_CONFIG: relayConfig }))
  const bff = await startBff({
    BFF_KEYS: `app:${BFF_KEY}`,
    RELAY_URLS: relay.origin,
    RELAY_TOKEN,
    FERRY_CONFIG: bffConfig,
  })
  return { relay, bff, ferry: createFerry({ baseURL: bff.origin, apiKey: BFF_KEY, maxRetries: 0 }) }
}

/** Events of each recorded stream that hold text, and nothing yet that ends it. */
const PARTIAL = { openai: 2, anthropic: 5, gemini: 1 } as const

const messages = [{ role: 'user' as const, content: 'Say hello' }]

describe('SDK → BFF → relay → vendor', () => {
  let sandbox: Sandbox
  let chain: Chain

  beforeAll(async () => {
    sandbox = await startSandbox()
    chain = await startChain(sandbox.url)
  })

  afterAll(async () => {
    await Promise.all([chain.relay.stop(), chain.bff.stop(), sandbox.stop()])
  })

  it.each([...VENDORS, 'deepseek'])('carries a whole and a streamed chat with %s', async (vendor) => {
    const request = { model: `${vendor}/any-model`, messages }
    const whole = await chain.ferry.chat(request)
    const stream = chain.ferry.chat.stream(request)
    const pieces: string[] = []
    for await (const event of stream) if (event.type === 'text-delta') pieces.push(event.text)
    expect(pieces.join('')).toBe(whole.text)
    expect(pieces.length).toBeGreaterThan(3)
    const { vendor: served, relay, attempts } = await stream.meta
    expect({ served, relay, attempts }).toEqual({
      served: vendor,
      relay: new URL(chain.relay.origin).host,
      attempts: 1,
    })
  })
})

describe('over the whole chain', () => {
  let vendor: ScriptedVendor
  let chain: Chain

  beforeAll(async () => {
    vendor = await ScriptedVendor.start()
    chain = await startChain(vendor.origin)
  })

  afterAll(async () => {
    await Promise.all([chain.relay.stop(), chain.bff.stop(), vendor.stop()])
  })

  const streamed = (name: (typeof VENDORS)[number], ...ending: Step[]): void =>
    streamedUpTo(name, PARTIAL[name], ...ending)

  const streamedUpTo = (name: (typeof VENDORS)[number], count: number, ...ending: Step[]): void => {
    const begin = head(200, [
      ['content-type', 'text/event-stream'],
      ['transfer-encoding', 'chunked'],
    ])
    const events = DIALECTS[name].stream.slice(0, count).map((event) => chunk(event))
    vendor.clear()
    vendor.script = afterBody(() => [begin, ...events, delay(30), ...ending])
  }

  it.each(VENDORS)('a break ends the call at %s within a second', async (name) => {
    streamed(name, hang())
    let leftAt = 0
    for await (const event of chain.ferry.chat.stream({ model: `${name}/m`, messages })) {
      if (event.type !== 'text-delta') continue
      leftAt = performance.now()
      break
    }
    expect((await vendor.only.closed).at - leftAt).toBeLessThan(1000)
  })

  describe.each(VENDORS)('a stream of %s that ends', (name) => {
    it.each([
      ['with a reset', reset()],
      ['with a clean end of the connection', fin()],
      ['with a clean end of the body', lastChunk()],
    ])('%s before its time is an error, and the vendor saw one call', async (_, ending) => {
      streamed(name, ending)
      const failure = await chain.ferry.chat
        .stream({ model: `${name}/m`, messages })
        .final()
        .catch((error: unknown) => error)
      expect(FerryError.is(failure) && failure.code).toBe('upstream_truncated')
      expect(vendor.requests).toHaveLength(1)
    })
  })

  it.each(VENDORS)('a stream of %s that breaks before its first event is not repeated', async (name) => {
    streamedUpTo(name, 0, reset())
    const failure = await chain.ferry.chat
      .stream({ model: `${name}/m`, messages })
      .final()
      .catch((error: unknown) => error)
    expect(FerryError.is(failure) && failure.code).toBe('upstream_truncated')
    expect(vendor.requests).toHaveLength(1)
  })

  it('a wrong key is refused with a typed error and never reaches a vendor', async () => {
    vendor.clear()
    const stranger = createFerry({ baseURL: chain.bff.origin, apiKey: 'a-stranger’s-key'.replace('’', '-') })
    const failure = await stranger.chat({ model: 'openai/m', messages }).catch((error: unknown) => error)
    expect(FerryError.is(failure) && failure.code).toBe('authentication_failed')
    expect(vendor.requests).toHaveLength(0)
  })
})
