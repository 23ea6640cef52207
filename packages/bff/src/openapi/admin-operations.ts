import { ADMIN_USAGE_BREAKDOWNS } from '@llm-ferry/sdk/schema'
import { type Operation, query } from './operation.ts'

const KEY = {
  name: 'key',
  in: 'path',
  required: true,
  schema: { type: 'string' },
  description: 'Id or name of a key.',
}

/** A route that wants a token of BFF_ADMIN_TOKEN; without one configured it is 404. */
const admin = (operation: Omit<Operation, 'security'>): Operation => ({ ...operation, security: 'admin' })

/** The routes of the admin API. */
export const ADMIN_OPERATIONS: readonly Operation[] = [
  admin({
    method: 'get',
    path: '/admin/v1/keys',
    id: 'listKeys',
    summary: 'Keys, by name',
    parameters: [
      query('tag', { type: 'string' }, 'Only keys with this tag.'),
      query('owner', { type: 'string' }, 'Only keys of this owner.'),
      query('after', { type: 'string' }, 'Only keys whose names come after this one.'),
      query('limit', { type: 'integer', minimum: 1, maximum: 1000 }, 'Most keys in the answer. Default 1000.'),
    ],
    answers: { 'application/json': 'KeyList' },
  }),
  admin({
    method: 'post',
    path: '/admin/v1/keys',
    id: 'createKey',
    summary: 'Make a key',
    description: 'The answer shows the secret, once.',
    request: 'KeyCreate',
    status: 201,
    answers: { 'application/json': 'ApiKey' },
  }),
  admin({
    method: 'get',
    path: '/admin/v1/keys/{key}',
    id: 'getKey',
    summary: 'A key',
    parameters: [KEY],
    answers: { 'application/json': 'ApiKey' },
  }),
  admin({
    method: 'patch',
    path: '/admin/v1/keys/{key}',
    id: 'updateKey',
    summary: 'Change a key',
    description:
      'Each field replaces what was there; null takes it away. In force on every BFF process within a second.',
    parameters: [KEY],
    request: 'KeyUpdate',
    answers: { 'application/json': 'ApiKey' },
  }),
  admin({
    method: 'delete',
    path: '/admin/v1/keys/{key}',
    id: 'deleteKey',
    summary: 'Delete a key',
    parameters: [KEY],
    answers: { 'application/json': 'DeletedKey' },
  }),
  admin({
    method: 'post',
    path: '/admin/v1/keys/{key}/rotate',
    id: 'rotateKey',
    summary: 'Give a key a new secret',
    description: 'The answer shows it, once.',
    parameters: [KEY],
    request: 'KeyRotation',
    answers: { 'application/json': 'ApiKey' },
  }),
  admin({
    method: 'post',
    path: '/admin/v1/keys/{key}/disable',
    id: 'disableKey',
    summary: 'Refuse a key from now on',
    parameters: [KEY],
    answers: { 'application/json': 'ApiKey' },
  }),
  admin({
    method: 'post',
    path: '/admin/v1/keys/{key}/enable',
    id: 'enableKey',
    summary: 'Take a key again',
    parameters: [KEY],
    answers: { 'application/json': 'ApiKey' },
  }),
  admin({
    method: 'get',
    path: '/admin/v1/usage',
    id: 'getAdminUsage',
    summary: 'What all keys used',
    description: 'Keys that were deleted included, for 92 days.',
    parameters: [
      query('from', { type: 'string', format: 'date' }, 'First day. Default: `to`, or today.'),
      query('to', { type: 'string', format: 'date' }, 'Last day. Default: today.'),
      query('by', { type: 'string', enum: [...ADMIN_USAGE_BREAKDOWNS] }, 'How finely. Default `key`.'),
      query('key', { type: 'string' }, 'One key alone: its id or name.'),
      query('user', { type: 'string' }, 'One end user alone; not by hour.'),
      query(
        'limit',
        { type: 'integer', minimum: 1, maximum: 10_000 },
        'Most lines a day, those with the most calls; the others are summed up in one. Default 1000.',
      ),
      query('format', { type: 'string', enum: ['json', 'csv'] }, 'Default `json`.'),
    ],
    answers: { 'application/json': 'AdminUsageReport', 'text/csv': { type: 'string' } },
  }),
]
