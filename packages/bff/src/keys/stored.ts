import { randomBytes } from 'node:crypto'
import type { KeyRecord } from './key.ts'

/** What the store holds by a key's id. */
export type Stored =
  | (KeyRecord & { readonly kind: 'key' })
  /** A key that was deleted: its usage is still asked for. */
  | { readonly kind: 'deleted'; readonly id: string; readonly name: string; readonly at: string }
  /** A configured key: its name is taken, and its usage is asked for after it has left the configuration. */
  | { readonly kind: 'configured'; readonly id: string; readonly name: string }

/** Where all secrets of ours begin, so that scanners know one that has leaked. */
const SECRET_PREFIX = 'sk-ferry-'

/** A new secret: 256 random bits. */
export const newSecret = (): string => `${SECRET_PREFIX}${randomBytes(32).toString('base64url')}`

export const newId = (): string => `key_${randomBytes(10).toString('hex')}`

export const newGeneration = (): string => randomBytes(8).toString('hex')
