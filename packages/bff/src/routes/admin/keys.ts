import { FerryError } from '@llm-ferry/sdk'
import { z } from 'zod'
import type { Context, Middleware } from '../../context.ts'
import type { Changed, KeyAdmin } from '../../keys/admin.ts'
import { toWire } from '../../keys/wire.ts'
import { readJson } from '../../middleware/body.ts'
import { parseQuery } from '../usage.ts'
import type { Audit } from './audit.ts'

export interface KeyRoutesOptions {
  readonly admin: KeyAdmin
  readonly audit: Audit
}

/** Largest body of a change. */
const MAX_BYTES = 65_536

const listQuery = z.strictObject({
  tag: z.string().optional(),
  owner: z.string().optional(),
  after: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(1000),
})

/** `GET /admin/v1/keys?tag=&owner=&after=&limit=` */
export function listKeys({ admin }: KeyRoutesOptions): Middleware {
  return async function listKeys(context) {
    const { tag, owner, after = '', limit } = parseQuery(listQuery, context.query)
    const found = (await admin.list())
      .filter((key) => (tag === undefined || key.tags.includes(tag)) && (owner === undefined || key.owner === owner))
      .filter(({ name }) => name > after)
    const data = found.slice(0, limit).map((key) => toWire(key))
    context.body = { object: 'list', data, has_more: found.length > limit }
  }
}

/** `GET /admin/v1/keys/{key}` */
export function showKey({ admin }: KeyRoutesOptions): Middleware {
  return async function showKey(context) {
    context.body = toWire(await admin.get(keyOf(context)))
  }
}

/** `POST /admin/v1/keys` */
export function createKey({ admin, audit }: KeyRoutesOptions): Middleware {
  return async function createKey(context) {
    const { record, secret, fields } = await admin.create(await readJson(context, MAX_BYTES))
    audit(context, 'key.create', { record, fields })
    context.status = 201
    context.body = toWire(record, secret)
  }
}

/** `PATCH /admin/v1/keys/{key}` */
export function updateKey({ admin, audit }: KeyRoutesOptions): Middleware {
  return async function updateKey(context) {
    const changed = await admin.update(keyOf(context), await readJson(context, MAX_BYTES))
    audit(context, 'key.update', changed)
    answer(context, changed)
  }
}

/** `POST /admin/v1/keys/{key}/rotate` */
export function rotateKey({ admin, audit }: KeyRoutesOptions): Middleware {
  return async function rotateKey(context) {
    const body = hasBody(context) ? await readJson(context, MAX_BYTES) : {}
    const changed = await admin.rotate(keyOf(context), body)
    audit(context, 'key.rotate', changed)
    answer(context, changed)
  }
}

/** `POST /admin/v1/keys/{key}/disable` and `/enable` */
export function switchKey(disabled: boolean, { admin, audit }: KeyRoutesOptions): Middleware {
  return async function switchKey(context) {
    const changed = await admin.update(keyOf(context), { disabled })
    audit(context, disabled ? 'key.disable' : 'key.enable', changed)
    answer(context, changed)
  }
}

/** `DELETE /admin/v1/keys/{key}` */
export function deleteKey({ admin, audit }: KeyRoutesOptions): Middleware {
  return async function deleteKey(context) {
    const changed = await admin.delete(keyOf(context))
    audit(context, 'key.delete', changed)
    context.body = { id: changed.record.id, object: 'key', deleted: true }
  }
}

function answer(context: Context, { record, secret }: Changed): void {
  context.body = toWire(record, secret)
}

function keyOf(context: Context): string {
  const { key } = context.params as { key?: string }
  if (key) return key
  throw new FerryError('not_found', 'Name a key in the path')
}

const hasBody = ({ req }: Context): boolean =>
  req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0
