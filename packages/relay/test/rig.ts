import { createLogger, Registry } from '@llm-ferry/kit'
import { afterEach, beforeEach } from 'vitest'
import { ScriptedVendor, type VendorOptions } from '../../../test/testkit/scripted-vendor.ts'
import { relayEnv, type ServiceEnv } from '../../../test/testkit/services.ts'
import { readRelayConfig } from '../src/config.ts'
import { createRelay, type Relay } from '../src/relay.ts'

/** A relay in this process, in front of a scripted vendor. */
export interface Rig {
  readonly vendor: ScriptedVendor
  readonly relay: Relay
  readonly port: number
  readonly origin: string
  /** Log lines so far, parsed. */
  readonly lines: readonly Readonly<Record<string, unknown>>[]
  metrics(): Promise<string>
}

/** Starts a vendor and a relay for each test of a file or block. */
export function rig(env: ServiceEnv = {}, options: VendorOptions = {}): Rig {
  let running: (Rig & { stop(): Promise<void> }) | undefined
  beforeEach(async () => {
    running = await start(env, options)
  })
  afterEach(() => running?.stop())
  const now = (): Rig => {
    if (running === undefined) throw new Error('only inside tests')
    return running
  }
  return {
    get vendor() {
      return now().vendor
    },
    get relay() {
      return now().relay
    },
    get port() {
      return now().port
    },
    get origin() {
      return now().origin
    },
    get lines() {
      return now().lines
    },
    metrics: () => now().metrics(),
  }
}

/** Starts one relay in front of one vendor. */
export async function start(env: ServiceEnv, options: VendorOptions = {}): Promise<Rig & { stop(): Promise<void> }> {
  const vendor = await ScriptedVendor.start(options)
  const lines: Record<string, unknown>[] = []
  const log = createLogger('relay', 'info', { write: (line: string) => void lines.push(JSON.parse(line)) })
  const registry = new Registry()
  const config = readRelayConfig({ ...relayEnv(vendor.origin), HOST: '127.0.0.1', PORT: '0', ...env })
  const relay = createRelay(config, { log, registry })
  const port = await relay.listen()
  return {
    vendor,
    relay,
    port,
    lines,
    origin: `http://127.0.0.1:${port}`,
    metrics: () => registry.metrics(),
    async stop() {
      relay.server.closeAllConnections()
      await relay.stop()
      await vendor.stop()
    },
  }
}
