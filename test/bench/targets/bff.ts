import { writeFileSync } from 'node:fs'
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
    FERRY_CONFIG: calledDirectly(join(run, `${name}.yaml`), vendorUrl),
    RATE_LIMIT_RPM: UNLIMITED,
    DAILY_QUOTA: UNLIMITED,
    KEY_RATE_LIMIT_RPM: UNLIMITED,
    KEY_DAILY_QUOTA: UNLIMITED,
    SPOOL_DIR: join(run, `${name}-spool`),
    LEDGER_FILE: join(run, `${name}-ledger.jsonl`),
    ...env,
  })

/** The vendors without a relay in front: the peers have none either. @returns the configuration's path. */
function calledDirectly(file: string, origin: string): string {
  const vendors = ['openai', 'anthropic', 'gemini'].map((name) => [name, { dialect: name, origin, apiKey: VENDOR_KEY }])
  writeFileSync(file, JSON.stringify({ vendors: Object.fromEntries(vendors) }))
  return file
}

export const bff: Target = {
  name: 'bff',
  about:
    'ours, all features on: keys, four limits in memory, ledger and access log to files, metrics; the vendor called directly',
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

const BARE = new URL('../bare.ts', import.meta.url).href

export const bareBff: Target = {
  ...bff,
  name: 'bff-bare',
  about: 'the same without limits and ledger, which no configuration takes out: what they cost is the difference',
  prepare: (rig, port) => {
    const { file, args = [], env } = command('bff-bare', rig, port)
    return { file, args: ['--import', BARE, ...args], ...(env && { env }) }
  },
}
