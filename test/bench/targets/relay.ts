import { CALLER_TOKEN, VENDOR_KEY } from '../rig.ts'
import { nodeService } from './node-service.ts'
import { type Target, vendorAsk } from './target.ts'

export const relay: Target = {
  name: 'relay',
  about: 'ours, all features on: token, key pool, metrics, access log to a file',
  holdsStreams: true,
  swapsKey: true,
  prepare: ({ vendorUrl }, port) =>
    nodeService('relay', port, {
      RELAY_TOKENS: `bench:${CALLER_TOKEN}`,
      OPENAI_API_KEY: VENDOR_KEY,
      ANTHROPIC_API_KEY: VENDOR_KEY,
      GEMINI_API_KEY: VENDOR_KEY,
      OPENAI_UPSTREAM: vendorUrl,
      ANTHROPIC_UPSTREAM: vendorUrl,
      GEMINI_UPSTREAM: vendorUrl,
      // As its image has it.
      NODE_OPTIONS: '--max-semi-space-size=16',
    }),
  ask: (order) => vendorAsk(order, `/proxy/${order.shape}`),
}
