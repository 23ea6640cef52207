import { Cluster, type ClusterOptions, Redis, type RedisOptions, ReplyError } from 'ioredis'
import { Breaker } from './breaker.ts'
import type { RedisAddress } from './redis-address.ts'
import { RedisRecords } from './redis-records.ts'
import { createScript } from './redis-script.ts'
import { RedisSubscriptions } from './redis-subscriptions.ts'
import { type Procedure, type Store, StoreUnavailable } from './store.ts'
import { Turns, turnScript } from './turns.ts'

export interface RedisStoreOptions {
  readonly address: RedisAddress
  /** Longest wait for an answer, in ms. */
  readonly timeoutMs: number
  /** All procedures that will be run. */
  readonly procedures: readonly Procedure[]
  /** Told of connection errors; ioredis reconnects by itself. */
  readonly onError: (error: Error) => void
}

type Client = Redis | Cluster

/** A store in Redis: a server, a master behind sentinels, or a cluster. Connects by itself, again and again. */
export function createRedisStore({ address, timeoutMs, procedures, onError }: RedisStoreOptions): Store {
  const client = connect(address, timeoutMs)
  client.on('error', onError)
  const breaker = new Breaker()
  const records = new RedisRecords(client, (work) => breaker.run(work, Math.max(timeoutMs, READ_TIMEOUT_MS), toFault))

  const subscriptions = new RedisSubscriptions(() => connectSubscriber(client, address, timeoutMs), onError)

  const turn = createScript(client, turnScript(procedures))
  const turns = new Turns(procedures, (keys, args, calls) =>
    breaker.run(() => turn(keys, args), timeoutMs, toFault, calls),
  )

  return {
    isShared: true,
    run: (procedure, keys, args, value) => turns.add(procedure, keys, args, value),
    get: (key) => breaker.run(async () => (await client.getBuffer(key)) ?? undefined, timeoutMs, toFault),
    set: (key, value, { ttlMs, onlyIfAbsent = false }) => {
      const set = onlyIfAbsent
        ? () => client.set(key, value, 'PX', ttlMs, 'NX')
        : () => client.set(key, value, 'PX', ttlMs)
      return breaker.run(async () => (await set()) === 'OK', timeoutMs, toFault)
    },
    delete: (key) => breaker.run(async () => (await client.del(key)) > 0, timeoutMs, toFault),
    scanSums: async (key, prefix, visit) => {
      const pattern = `${prefix.replace(/[[\]*?\\]/g, '\\$&')}*`
      let cursor = '0'
      do {
        const step = (): Promise<[string, string[]]> =>
          client.hscan(key, cursor, 'MATCH', pattern, 'COUNT', FIELDS_AT_ONCE)
        const [next, found] = await breaker.run(step, Math.max(timeoutMs, READ_TIMEOUT_MS), toFault)
        for (let i = 0; i < found.length; i += 2) visit(found[i] ?? '', Number(found[i + 1]))
        cursor = next
      } while (cursor !== '0')
    },
    sums: async (key, fields) => {
      const amounts = await breaker.run(() => client.hmget(key, ...fields), timeoutMs, toFault)
      return new Map(fields.flatMap((field, i) => (amounts[i] === null ? [] : [[field, Number(amounts[i])] as const])))
    },
    consume: (stream, consumer, handle) => records.consume(stream, consumer, handle),
    publish: async (channel, message) => {
      await breaker.run(() => client.publish(channel, message), timeoutMs, toFault)
    },
    subscribe: (channel, heard) => subscriptions.add(channel, heard),
    close: async () => {
      subscriptions.close()
      client.disconnect()
    },
  }
}

/** Subscribing ends a connection's use for anything else, so it gets one of its own. */
function connectSubscriber(client: Client, address: RedisAddress, timeoutMs: number): Client {
  // ioredis's own way to subscribe anew ends the process where Redis refuses it.
  const own = { enableAutoPipelining: false, autoResubscribe: false }
  return client instanceof Redis ? client.duplicate(own) : connect(address, timeoutMs)
}

function connect(address: RedisAddress, timeoutMs: number): Client {
  const { nodes, username, password, database: db } = address
  const [{ host, port }] = nodes
  const credentials = { ...(username && { username }), ...(password && { password }) }
  const tls = address.tls ? { tls: {} } : {}
  if (address.kind === 'cluster') {
    return new Cluster([...nodes], {
      ...clusterOptions,
      redisOptions: { ...common(timeoutMs), ...credentials, ...tls },
    })
  }
  if (address.kind === 'sentinel' && address.master !== undefined) {
    const sentinels = { sentinels: [...nodes], name: address.master, enableTLSForSentinelMode: address.tls }
    return new Redis({ ...common(timeoutMs), ...credentials, ...tls, ...sentinels, db })
  }
  return new Redis({ ...common(timeoutMs), ...credentials, ...tls, host, port, db })
}

/** Nobody waits for records: there is time for large answers, within ioredis’s own bound. */
const READ_TIMEOUT_MS = 1000

/** Fields of a hash that are looked at in one step: about a millisecond of Redis's time. */
const FIELDS_AT_ONCE = 2000

/** How long a connection may owe an answer before another one is made, in ms. */
const HANGS_AFTER_MS = 10_000

/** Longest pause between two attempts to connect, in ms. */
const MAX_PAUSE_MS = 500

function common(timeoutMs: number) {
  return {
    enableAutoPipelining: true,
    // While there is no connection a command fails at once: nobody waits for Redis, and nothing that was given up is
    // done later.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: Math.max(1000, timeoutMs),
    // The breaker judges first; this only ends a connection that hangs, with all that waits on it.
    socketTimeout: HANGS_AFTER_MS + timeoutMs,
    retryStrategy: (times: number) => Math.min(times * 50, MAX_PAUSE_MS),
    sentinelRetryStrategy: (times: number) => Math.min(times * 50, MAX_PAUSE_MS),
    // A master that was demoted refuses writes: the sentinels, asked again, name its successor.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
    protocol: 2,
  } satisfies RedisOptions
}

const clusterOptions: ClusterOptions = {
  enableAutoPipelining: true,
  enableOfflineQueue: false,
  clusterRetryStrategy: (times) => Math.min(times * 50, MAX_PAUSE_MS),
  slotsRefreshTimeout: 2000,
  slotsRefreshInterval: 5000,
}

function toFault(cause: unknown): StoreUnavailable {
  if (cause instanceof StoreUnavailable) return cause
  const message = cause instanceof Error ? cause.message : String(cause)
  if (cause instanceof ReplyError) {
    return new StoreUnavailable('refused', `Redis refused: ${message}`, { cause, mayHappen: false })
  }
  const mayHappen = !message.startsWith(NOT_SENT)
  return new StoreUnavailable('disconnected', `No connection to Redis: ${message}`, { cause, mayHappen })
}

/** What ioredis says of a command that never left. */
const NOT_SENT = "Stream isn't writeable"
