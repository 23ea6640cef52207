import { setTimeout as sleep } from 'node:timers/promises'
import type { Field } from '../../testkit/http-reader.ts'
import type { ScriptedVendor, VendorRequest } from '../../testkit/scripted-vendor.ts'

/** What a call made the vendor see and what it gave the caller, in a form that compares. */
export interface Observation {
  readonly requests: readonly SeenRequest[]
  readonly result: unknown
}

/** A request at the vendor. */
export interface SeenRequest {
  readonly line: string
  readonly headers: readonly Field[]
  readonly body: string
}

const CALL_LIMIT_MS = 8000

/** Header by which a call's requests are told from those that an earlier call left behind. */
export const CALL_HEADER = 'x-test-call'

/** Runs a call whose requests carry `tag`, and tells what the vendor saw of it and what came back. */
export async function observe(vendor: ScriptedVendor, tag: string, call: () => unknown): Promise<Observation> {
  const outcome = await Promise.race([
    settle(call),
    sleep(CALL_LIMIT_MS, undefined, { ref: false }).then(() => ({ hung: `no end within ${CALL_LIMIT_MS} ms` })),
  ])
  return {
    requests: vendor.requests.filter((request) => request.header(CALL_HEADER) === tag).map(seen),
    result: outcome,
  }
}

async function settle(call: () => unknown): Promise<unknown> {
  try {
    return await plain(await call())
  } catch (error) {
    return describeError(error)
  }
}

/** An error by what a caller can see of it. */
export function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return { thrown: error }
  const { status, code, type, requestID } = error as Error & Record<'status' | 'code' | 'type' | 'requestID', unknown>
  const cause = error.cause instanceof Error ? error.cause.message : undefined
  return { error: error.constructor.name, message: error.message, status, code, type, requestID, cause }
}

// Cookies belong to the host that the caller sees, so they end at the relay as Set-Cookie does.
const NOT_COMPARED = new RegExp(`^(connection|cookie|${CALL_HEADER})$`, 'i')

/** The relay swaps the key and may put it where its own configuration says: what counts is that it arrives. */
const credential = (name: string, value: string): Field | undefined =>
  /^(authorization|x-api-key|x-goog-api-key)$/i.test(name) ? ['credential', value.replace(/^Bearer /, '')] : undefined

function seen({ method, target, headers, body, isComplete }: VendorRequest): SeenRequest {
  // A multipart boundary is random, of constant length.
  const type = headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1]
  const [, boundary = 'none'] = /boundary="?([^";]+)/.exec(type ?? '') ?? []
  const fixed = (text: string): string => text.replaceAll(boundary, 'boundary')
  return {
    line: `${method} ${target}`,
    headers: headers
      .filter(([name]) => !NOT_COMPARED.test(name))
      .map(([name, value]) => credential(name, value) ?? [name, fixed(value)]),
    body: isComplete ? fixed(body.toString('latin1')) : 'incomplete',
  }
}

const MAX_ITEMS = 200

/** A result without what differs from run to run, read to its end. */
export async function plain(value: unknown): Promise<unknown> {
  if (value instanceof Response) {
    return {
      status: value.status,
      headers: answerHeaders(value.headers),
      bytes: Buffer.from(await value.arrayBuffer()).toString('latin1'),
    }
  }
  if (typeof value !== 'object' || value === null) return value
  if (Symbol.asyncIterator in value) {
    const items: unknown[] = []
    for await (const item of value as AsyncIterable<unknown>) {
      items.push(toJson(item))
      if (items.length === MAX_ITEMS) break
    }
    return { items }
  }
  return toJson(value)
}

// These belong to one connection; x-ferry-* is the relay's own namespace.
const HOP = /^(connection|keep-alive|transfer-encoding|x-ferry-.*)$/

// Clients hold themselves in their results, and some hold all headers.
const isIncidental = (key: string): boolean => key === '_client' || key === 'client' || HOP.test(key)

const toJson = (value: unknown): unknown => {
  const text = JSON.stringify(value, (key, item) => (isIncidental(key) ? undefined : item))
  return text === undefined ? undefined : JSON.parse(text)
}

/** Response headers that travel end to end. */
export const answerHeaders = (headers: Headers): readonly Field[] => [...headers].filter(([name]) => !HOP.test(name))

/** The same, whatever the headers' order and letter case. */
export function unordered({ requests, result }: Observation): Observation {
  return {
    requests: requests.map(({ headers, ...rest }) => ({
      ...rest,
      headers: headers
        .map(([name, value]): Field => [name.toLowerCase(), value])
        .sort(([a, x], [b, y]) => (a === b ? x.localeCompare(y) : a.localeCompare(b))),
    })),
    result,
  }
}
