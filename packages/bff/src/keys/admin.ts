import { FerryError } from '@llm-ferry/sdk'
import { KeyCreate, KeyRotation, KeyUpdate, parseBody } from '@llm-ferry/sdk/schema'
import { splitModelId } from '../config-file.ts'
import { StoreUnavailable } from '../store/store.ts'
import { NO_RULES } from './configured.ts'
import { digestOf } from './digest.ts'
import type { KeyRecord, KeySecret } from './key.ts'
import type { KeyRing } from './ring.ts'
import { isNetwork } from './rules.ts'
import { newGeneration, newId, newSecret } from './stored.ts'
import type { KeySync } from './sync.ts'
import { rulesOf } from './wire.ts'

/** Keys that there may be. */
const MAX_KEYS = 10_000
/** Secrets of one key: the newest and those of rotations with an overlap. */
const MAX_SECRETS = 5

/** A change that was made. */
export interface Changed {
  readonly record: KeyRecord
  /** The secret, where there is a new one. */
  readonly secret?: string
  /** Names of the fields that changed. */
  readonly fields: readonly string[]
}

export interface KeyAdminOptions {
  readonly ring: KeyRing
  readonly sync: KeySync
  /** Names of the vendors that there are. */
  readonly vendors: ReadonlySet<string>
}

/** Makes and changes the keys that the store holds. Every method throws a FerryError that says what to do. */
export class KeyAdmin {
  readonly #ring: KeyRing
  readonly #sync: KeySync
  readonly #vendors: ReadonlySet<string>

  constructor({ ring, sync, vendors }: KeyAdminOptions) {
    this.#ring = ring
    this.#sync = sync
    this.#vendors = vendors
  }

  /** All keys by name, as the store has them now. */
  async list(): Promise<readonly KeyRecord[]> {
    await this.#fresh()
    return this.#ring.all.map(({ record }) => record).sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Ids and names of all keys whose usage can be asked for, deleted ones included. */
  async names(): Promise<ReadonlyMap<string, string>> {
    await this.#fresh()
    return this.#sync.names
  }

  /** @param key id or name. */
  async get(key: string): Promise<KeyRecord> {
    await this.#fresh()
    const found = this.#ring.get(key) ?? this.#ring.all.find(({ record }) => record.name === key)
    if (found) return found.record
    throw new FerryError('not_found', `There is no key "${key}": GET /admin/v1/keys lists them`)
  }

  async create(body: unknown): Promise<Changed> {
    const asked = parseBody(KeyCreate, body)
    this.#check(asked)
    await this.#fresh()
    if (this.#ring.size >= MAX_KEYS) throw new FerryError('conflict', `There are ${MAX_KEYS} keys: delete some first`)
    const { secret, kept } = this.#newSecret()
    const now = new Date().toISOString()
    const record: KeyRecord = {
      ...rulesOf(asked, NO_RULES),
      id: newId(),
      name: asked.name,
      source: 'api',
      secrets: [kept],
      generation: newGeneration(),
      createdAt: now,
      updatedAt: now,
    }
    await this.#write(record)
    return { record, secret, fields: Object.keys(asked) }
  }

  async update(key: string, body: unknown): Promise<Changed> {
    const asked = parseBody(KeyUpdate, body)
    this.#check(asked)
    const before = await this.#own(key)
    const { id, source, secrets, generation, createdAt } = before
    const name = asked.name ?? before.name
    const kept = { id, name, source, secrets, generation, createdAt, updatedAt: new Date().toISOString() }
    const record: KeyRecord = { ...rulesOf(asked, before), ...kept }
    await this.#write(record)
    return { record, fields: Object.keys(asked) }
  }

  async rotate(key: string, body: unknown): Promise<Changed> {
    const { overlap_seconds: overlap, revoke_sessions } = parseBody(KeyRotation, body ?? {})
    const before = await this.#own(key)
    const { secret, kept } = this.#newSecret()
    const end = new Date(Date.now() + (overlap ?? 0) * 1000).toISOString()
    const old = overlap ? before.secrets.map((one) => endingAt(one, end)).filter(isAlive) : []
    const revokes = revoke_sessions ?? !overlap
    const record: KeyRecord = {
      ...before,
      secrets: [kept, ...old].slice(0, MAX_SECRETS),
      generation: revokes ? newGeneration() : before.generation,
      updatedAt: new Date().toISOString(),
    }
    await this.#write(record)
    return { record, secret, fields: revokes ? ['secret', 'sessions'] : ['secret'] }
  }

  async delete(key: string): Promise<Changed> {
    const record = await this.#own(key)
    const { id, name } = record
    await this.#write(record, { kind: 'deleted', id, name, at: new Date().toISOString() })
    return { record, fields: [] }
  }

  #newSecret(): { secret: string; kept: KeySecret } {
    const secret = newSecret()
    const digest = digestOf(secret).toString('hex')
    return { secret, kept: { digest, hint: secret.slice(-4), createdAt: new Date().toISOString() } }
  }

  #check({ models, vendors, ips }: KeyUpdate): void {
    models?.forEach((id, i) => void this.#checkVendor(splitModelId(id).vendor, `models[${i}]`))
    vendors?.forEach((vendor, i) => void this.#checkVendor(vendor, `vendors[${i}]`))
    ips?.forEach((ip, i) => {
      if (!isNetwork(ip)) throw invalid(`ips[${i}]`, 'must be an address or a CIDR such as 10.0.0.0/8')
    })
  }

  #checkVendor(vendor: string, param: string): void {
    if (this.#vendors.has(vendor)) return
    throw invalid(param, `names the vendor "${vendor}", which is not configured: use ${[...this.#vendors].join(', ')}`)
  }

  /** A key that can be changed here. */
  async #own(key: string): Promise<KeyRecord> {
    const record = await this.get(key)
    if (record.source === 'api') return record
    const where = record.source === 'file' ? 'FERRY_CONFIG' : 'BFF_KEYS'
    throw new FerryError('conflict', `The key "${record.name}" stands in ${where}: change it there and restart`)
  }

  async #write(record: KeyRecord, as?: Parameters<KeySync['write']>[0]): Promise<void> {
    const stored = as ?? { ...record, kind: 'key' as const }
    const word = await available(this.#sync.write(stored, this.#sync.find(record.id)))
    if (word === 'taken') throw invalid('name', `"${record.name}" is another key’s: choose another name`, 'conflict')
    if (word === 'conflict') {
      throw new FerryError('conflict', `The key "${record.name}" has changed meanwhile: read it and try again`)
    }
  }

  async #fresh(): Promise<void> {
    await available(this.#sync.refresh())
  }
}

function endingAt(secret: KeySecret, end: string): KeySecret {
  return secret.expiresAt !== undefined && secret.expiresAt < end ? secret : { ...secret, expiresAt: end }
}

const isAlive = ({ expiresAt }: KeySecret): boolean => expiresAt === undefined || Date.parse(expiresAt) > Date.now()

function invalid(param: string, advice: string, code: 'invalid_request' | 'conflict' = 'invalid_request'): FerryError {
  return new FerryError(code, `\`${param}\`: ${advice}.`, { param })
}

async function available<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    if (!(cause instanceof StoreUnavailable)) throw cause
    throw new FerryError('overloaded', 'Keys cannot be read or changed at the moment', { retryAfterMs: 1000, cause })
  }
}
