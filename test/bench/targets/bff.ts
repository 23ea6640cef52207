import { join } from 'node:path'
import type { Command } from '../processes.ts'
import { CALLER_TOKEN, type Rig, VENDOR_KEY } from '../rig.ts'
import { nodeService } from './node-service.ts'
import { chatAsk, modelOf, type Target } from './target.ts'

/** No run comes near it. */
const UNLIMITED = '1000000000'

const command = (name: string, { vendorUrl, run }: Rig, port: number, env: Record<string, string> = {}): Command =>
  nodeService('bff', port, {
    BFF_KEYS: `bench:${CALLER_TOKEN}`,
    RELAY_URLS: vendorUrl,
    RELAY_TOKEN: VENDOR_KEY,
    RATE_LIMIT_RPM: UNLIMITED,
    DAILY_QUOTA: UNLIMITED,
    KEY_RATE_LIMIT_RPM: UNLIMITED,
    KEY_DAILY_QUOTA: UNLIMITED,
    SPOOL_DIR: join(run, `${name}-spool`),
    LEDGER_FILE: join(run, `${name}-ledger.jsonl`),
    ...env,
  })

export const bff: Target = {
  name: 'bff',
  about:
    'ours, all features on: keys, four limits in memory, ledger and access log to files, metrics; the mock stands for the relay',
  swapsKey: true,
  prepare: (rig, port) => command('bff', rig, port),
  ask: (order) => chatAsk(order, `${order.shape}/${modelOf(order)}`),
}

export const bffWithRedis: Target = {
  ...bff,
  name: 'bff-redis',
  about: 'the same with its limits and ledger in a Redis, whose own time is not counted',
  holdsStreams: true,
  needsRedis: true,
  prepare: (rig, port) => command('bff-redis', rig, port, { REDIS_URL: `redis://127.0.0.1:${rig.redisPort}` }),
}
