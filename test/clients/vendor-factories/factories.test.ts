import { createFerry } from '@llm-ferry/sdk'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { BFF_KEY, type Chain, startChain } from '../../packages/chain.ts'
import { RELAY_TOKEN } from '../../testkit/services.ts'
import { CLIENTS, type Target } from './cases.ts'
import { startUpstream, type Upstream } from './upstream.ts'

let upstream: Upstream
let chain: Chain

beforeAll(async () => {
  upstream = await startUpstream()
  chain = await startChain(upstream.url, { config: 'keys:\n  app: { native: full }\n' })
})
afterAll(async () => {
  await chain?.stop()
  await upstream?.stop()
})
beforeEach(() => {
  upstream.bodies.length = 0
})

const atBff = () => ({ baseURL: chain.bff.origin, apiKey: BFF_KEY })
const atRelay = () => ({ baseURL: chain.relay.origin, apiKey: RELAY_TOKEN, via: 'relay' as const })

const TARGETS: Readonly<Record<string, () => Target>> = {
  'a bare relay': atRelay,
  'a bare relay, not durable': () => ({ ...atRelay(), durable: false }),
  'a BFF': atBff,
  'a Ferry': () => createFerry(atBff()),
}

describe.each(Object.entries(TARGETS))('aimed at %s,', (_, target) => {
  describe.each(Object.entries(CLIENTS))('%s', (_, cases) => {
    it.each(Object.entries(cases))('%s', async (_, { run, expected }) => {
      expect(await run(target(), upstream)).toEqual(expected)
    })
  })
})
