import type { ApiKey, KeyCache, KeyList } from '../../schema/keys.ts'
import { AdminClient } from '../admin-client.ts'
import { pairs, readArguments, SERVER_HELP, SERVER_OPTIONS } from '../arguments.ts'
import { type CliContext, type Command, wrongUse } from '../command.ts'
import { table } from '../table.ts'

const HELP = `ferry keys: the keys that applications call with

  ferry keys list [--tag TAG] [--owner OWNER]
  ferry keys create NAME [fields]      prints the new secret, once
  ferry keys show KEY
  ferry keys update KEY [--name NAME] [fields] [--clear FIELD]...
  ferry keys rotate KEY [--overlap SECONDS] [--revoke-sessions | --keep-sessions]
  ferry keys disable KEY
  ferry keys enable KEY
  ferry keys delete KEY --yes

KEY is an id or a name. Keys of BFF_KEYS and FERRY_CONFIG are shown, and changed where they stand.

Fields:
  --owner OWNER        whom to ask about it
  --model ID           vendor/model or vendor/* that it may use; may be repeated
  --vendor NAME        vendor that it may use; may be repeated
  --ip CIDR            address or CIDR that it may be used from; may be repeated
  --limit NAME=N       requests_per_minute, requests_per_day, key_requests_per_minute, key_requests_per_day,
                       tokens_per_minute, tokens_per_day, usd_per_day, usd_per_month, streams; may be repeated
  --tag TAG            may be repeated
  --label NAME=VALUE   stands beside its calls in the ledger; may be repeated
  --native SCOPE       stateless or full
  --no-keep-reasoning  keeps no reasoning for clients that drop it; --keep-reasoning does again
  --cache RULE         on, off, or for how long and for whom: ttl=SECONDS, scope=key|user, or both with a comma
  --expires TIME       such as 2027-01-01T00:00:00+08:00
  --clear FIELD        takes a field away: owner, models, vendors, ips, limits, tags, labels, cache, expires_at

Options:
${SERVER_HELP}

Exit codes: 0 done, 1 refused by the server, 2 wrong command line, 3 server not reached.
`

const OPTIONS = {
  ...SERVER_OPTIONS,
  name: { type: 'string' },
  owner: { type: 'string' },
  model: { type: 'string', multiple: true },
  vendor: { type: 'string', multiple: true },
  ip: { type: 'string', multiple: true },
  limit: { type: 'string', multiple: true },
  tag: { type: 'string', multiple: true },
  label: { type: 'string', multiple: true },
  native: { type: 'string' },
  'keep-reasoning': { type: 'boolean' },
  'no-keep-reasoning': { type: 'boolean' },
  cache: { type: 'string' },
  expires: { type: 'string' },
  clear: { type: 'string', multiple: true },
  overlap: { type: 'string' },
  'revoke-sessions': { type: 'boolean' },
  'keep-sessions': { type: 'boolean' },
  yes: { type: 'boolean' },
} as const

type Values = ReturnType<typeof read>['values']
const read = (args: readonly string[]) => readArguments(args, OPTIONS)

/** What one subcommand needs. */
interface Job {
  readonly client: AdminClient
  /** Id or name, as it stands in a path. */
  readonly key: string
  readonly name: string
  readonly values: Values
  readonly context: CliContext
}

const FIELDS = [
  'owner',
  'model',
  'vendor',
  'ip',
  'limit',
  'tag',
  'label',
  'native',
  'keep-reasoning',
  'no-keep-reasoning',
  'cache',
  'expires',
]

/** Subcommand → the options that it takes besides the server's, and what it does. */
const SUBCOMMANDS: Readonly<Record<string, { options: readonly string[]; run(job: Job): Promise<void> }>> = {
  list: { options: ['tag', 'owner'], run: list },
  create: {
    options: FIELDS,
    run: async (job) => made(job, await job.client.json('POST', '/keys', { name: job.name, ...fieldsOf(job.values) })),
  },
  show: { options: [], run: async (job) => show(job, await job.client.json('GET', `/keys/${job.key}`)) },
  update: { options: [...FIELDS, 'name', 'clear'], run: update },
  rotate: { options: ['overlap', 'revoke-sessions', 'keep-sessions'], run: rotate },
  disable: { options: [], run: async (job) => show(job, await job.client.json('POST', `/keys/${job.key}/disable`)) },
  enable: { options: [], run: async (job) => show(job, await job.client.json('POST', `/keys/${job.key}/enable`)) },
  delete: { options: ['yes'], run: remove },
}

export const keys: Command = {
  name: 'keys',
  summary: 'list, create, show, update, rotate, disable, enable and delete keys',
  help: HELP,
  async run(args, context) {
    const { values, positionals } = read(args)
    const [verb = '', name, ...rest] = positionals
    const subcommand = Object.hasOwn(SUBCOMMANDS, verb) ? SUBCOMMANDS[verb] : undefined
    const verbs = Object.keys(SUBCOMMANDS).join(', ')
    if (!subcommand)
      throw wrongUse(verb ? `ferry keys ${verb}: must be one of ${verbs}` : `ferry keys: name one of ${verbs}`)
    if ((name === undefined) !== (verb === 'list')) {
      throw wrongUse(verb === 'list' ? `ferry keys list: takes no ${name}` : `ferry keys ${verb}: name a key`)
    }
    if (rest.length > 0) throw wrongUse(`ferry keys ${verb}: one key at a time, not also ${rest.join(', ')}`)
    const known = new Set([...Object.keys(SERVER_OPTIONS), ...subcommand.options])
    const strange = Object.keys(values).find((option) => !known.has(option))
    if (strange) throw wrongUse(`ferry keys ${verb}: takes no --${strange}`)
    const client = new AdminClient(values, context)
    await subcommand.run({ client, key: encodeURIComponent(name ?? ''), name: name ?? '', values, context })
  },
}

async function list({ client, values, context }: Job): Promise<void> {
  const query = new URLSearchParams({
    ...(values.owner && { owner: values.owner }),
    ...(values.tag?.[0] && { tag: values.tag[0] }),
  })
  const data: ApiKey[] = []
  for (let more = true; more; ) {
    const page = (await client.json('GET', `/keys?${query}`)) as KeyList
    data.push(...page.data)
    more = page.has_more
    query.set('after', page.data.at(-1)?.name ?? '')
  }
  if (values.json) return context.out(`${JSON.stringify(data, null, 2)}\n`)
  const rows = data.map((key) => [
    key.name,
    key.id,
    key.source,
    stateOf(key),
    key.owner,
    key.tags.join(','),
    key.expires_at,
  ])
  context.out(table(['name', 'id', 'source', 'state', 'owner', 'tags', 'expires'], rows))
}

async function update(job: Job): Promise<void> {
  const { values, client, key } = job
  const cleared = Object.fromEntries((values.clear ?? []).map((field) => [field, null]))
  const changes = { ...(values.name !== undefined && { name: values.name }), ...fieldsOf(values), ...cleared }
  if (Object.keys(changes).length === 0) throw wrongUse('ferry keys update: say what to change')
  show(job, await client.json('PATCH', `/keys/${key}`, changes))
}

async function rotate(job: Job): Promise<void> {
  const { overlap, 'revoke-sessions': revokes, 'keep-sessions': keeps } = job.values
  if (revokes && keeps) throw wrongUse('--revoke-sessions and --keep-sessions: choose one')
  const body = {
    ...(overlap !== undefined && { overlap_seconds: number('overlap', overlap) }),
    ...((revokes || keeps) && { revoke_sessions: revokes === true }),
  }
  made(job, await job.client.json('POST', `/keys/${job.key}/rotate`, body))
}

async function remove({ client, key, name, values, context }: Job): Promise<void> {
  if (!values.yes) throw wrongUse(`ferry keys delete ${name}: cannot be undone; say --yes, or disable it`)
  const answer = await client.json('DELETE', `/keys/${key}`)
  context.out(values.json ? `${JSON.stringify(answer, null, 2)}\n` : `${name} is deleted.\n`)
}

function fieldsOf(values: Values): Record<string, unknown> {
  const { owner, model, vendor, ip, tag, native, cache, expires } = values
  const limits = pairs('limit', values.limit)
  const fields = {
    owner,
    models: model,
    vendors: vendor,
    ips: ip,
    limits:
      limits && Object.fromEntries(Object.entries(limits).map(([name, text]) => [name, number(`limit ${name}`, text)])),
    tags: tag,
    labels: pairs('label', values.label),
    native,
    keep_reasoning: values['no-keep-reasoning'] ? false : values['keep-reasoning'],
    cache: cache === undefined ? undefined : cacheRule(cache),
    expires_at: expires,
  }
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

function cacheRule(text: string): KeyCache {
  if (text === 'on' || text === 'off') return text === 'on'
  const rule = /^(?=.)(?:ttl=(\d+))?(?:(?:^|(?<=\d),)scope=(key|user))?$/.exec(text)
  if (!rule)
    throw wrongUse(`--cache ${text}: must be on, off, ttl=SECONDS, scope=key|user, or ttl=SECONDS,scope=key|user`)
  const [, ttl, scope] = rule
  return { ...(ttl && { ttl_seconds: Number(ttl) }), ...(scope && { scope: scope as 'key' | 'user' }) }
}

const cacheText = (cache: KeyCache): string =>
  typeof cache === 'object' ? `${cache.ttl_seconds} s, by ${cache.scope ?? 'key'}` : cache ? 'on' : 'off'

function number(option: string, text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw wrongUse(`--${option} ${text}: must be a number`)
  return value
}

function made(job: Job, answer: unknown): void {
  show(job, answer)
  if (!job.values.json) job.context.err('The secret is shown this once and kept nowhere: put it where it is needed.\n')
}

function show({ values, context }: Job, answer: unknown): void {
  const key = answer as ApiKey
  context.out(values.json ? `${JSON.stringify(key, null, 2)}\n` : asTable(key))
}

function asTable(key: ApiKey): string {
  const limits = Object.entries(key.limits).map(([name, limit]) => `${name}=${limit}`)
  const labels = Object.entries(key.labels).map(([name, value]) => `${name}=${value}`)
  const facts: [string, unknown][] = [
    ['name', key.name],
    ['id', key.id],
    ['secret', key.secret],
    ['state', stateOf(key)],
    ['source', key.source],
    ['owner', key.owner],
    ['models', key.models?.join(', ')],
    ['vendors', key.vendors?.join(', ')],
    ['ips', key.ips?.join(', ')],
    ['limits', limits.join(', ')],
    ['tags', key.tags.join(', ')],
    ['labels', labels.join(', ')],
    ['native', key.native],
    ['keep reasoning', key.keep_reasoning ? 'yes' : 'no'],
    ['cache', key.cache === undefined ? undefined : cacheText(key.cache)],
    ['created', key.created_at],
    ['expires', key.expires_at],
    [
      'secrets',
      key.secrets.map(({ hint = '?', expires_at }) => `…${hint}${expires_at ? ` until ${expires_at}` : ''}`).join(', '),
    ],
  ]
  return table(
    ['key', ''],
    facts.filter(([, value]) => value),
  )
}

function stateOf({ disabled, expires_at }: ApiKey): string {
  if (disabled) return 'disabled'
  return expires_at !== undefined && Date.parse(expires_at) <= Date.now() ? 'expired' : 'in use'
}
