import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFerry, type Ferry, type FerryOptions } from '@llm-ferry/sdk'
import { RELAY_TOKEN, relayEnv, type Service, type ServiceEnv, startBff, startRelay } from '../testkit/services.ts'

export const BFF_KEY = 'bff-key-of-app-0123456789'

/** BFF and relay as processes, in front of a vendor. */
export interface Chain {
  readonly relay: Service
  readonly bff: Service
  /** A client at the BFF. */
  client(options?: Partial<FerryOptions>): Ferry
  stop(): Promise<void>
}

export interface ChainOptions {
  readonly relayEnv?: ServiceEnv
  readonly bffEnv?: ServiceEnv
  /** Content of FERRY_CONFIG. */
  readonly config?: string
}

/** Starts both; `upstream` is the origin that stands for all vendors. */
export async function startChain(upstream: string, options: ChainOptions = {}): Promise<Chain> {
  const relay = await startRelay(relayEnv(upstream, options.relayEnv))
  const file = join(mkdtempSync(join(tmpdir(), 'ferry-chain-')), 'ferry.yaml')
  if (options.config !== undefined) writeFileSync(file, options.config)
  const bff = await startBff({
    BFF_KEYS: `app:${BFF_KEY}`,
    RELAY_URLS: relay.origin,
    RELAY_TOKEN,
    ...(options.config !== undefined && { FERRY_CONFIG: file }),
    ...options.bffEnv,
  })
  return {
    relay,
    bff,
    client: (more) => createFerry({ baseURL: bff.origin, apiKey: BFF_KEY, ...more }),
    stop: async () => void (await Promise.all([relay.stop(), bff.stop()])),
  }
}
