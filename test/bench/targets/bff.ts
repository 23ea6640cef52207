import { CALLER_TOKEN, VENDOR_KEY } from '../rig.ts'
import { nodeService } from './node-service.ts'
import { chatAsk, modelOf, type Target } from './target.ts'

export const bff: Target = {
  name: 'bff',
  about: 'ours, all features on: keys, limits in memory, metrics, access log to a file; the mock stands for the relay',
  swapsKey: true,
  prepare: ({ vendorUrl }, port) =>
    nodeService('bff', port, {
      BFF_KEYS: `bench:${CALLER_TOKEN}`,
      RELAY_URLS: vendorUrl,
      RELAY_TOKEN: VENDOR_KEY,
      RATE_LIMIT_RPM: '1000000000',
    }),
  ask: (order) => chatAsk(order, `${order.shape}/${modelOf(order)}`),
}
