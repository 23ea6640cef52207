import type { Dialect, KeyPlacement } from '@llm-ferry/kit'
import type { ProxySettings } from './config.ts'
import { KeyPool } from './keys.ts'
import { openUpstream, type Upstream } from './upstream.ts'
import type { VendorConfig } from './vendors.ts'

/** A vendor in service: its configuration with its connections and its keys' state. */
export interface Vendor {
  readonly name: string
  readonly dialect: Dialect
  readonly origin: URL
  /** Path prefix of the upstream, without a trailing slash. */
  readonly prefix: string
  readonly version: string
  readonly placement: KeyPlacement
  readonly keyHint: string
  readonly upstream: Upstream
  keys: KeyPool
}

/** Puts a configured vendor into service. */
export function openVendor(config: VendorConfig, connectMs: number, proxy: ProxySettings): Vendor {
  const { name, dialect, origin, version, key: placement, keyHint } = config
  return {
    name,
    dialect,
    origin,
    prefix: origin.pathname === '/' ? '' : origin.pathname,
    version,
    placement,
    keyHint,
    upstream: openUpstream(origin, connectMs, proxy),
    keys: new KeyPool(name, config.keys),
  }
}

/** Gives a vendor other keys; those that stay keep their rest. */
export function replaceKeys(vendor: Vendor, secrets: readonly string[]): void {
  const keys = new KeyPool(vendor.name, secrets)
  keys.inherit(vendor.keys)
  vendor.keys = keys
}
