import { hash } from 'node:crypto'
import type { Registry } from '@llm-ferry/kit'
import { FerryError } from '@llm-ferry/sdk'
import { choosePacking, KeptBodies, type KeptBodiesLimits, LINK_HEADERS } from '@llm-ferry/sdk/link/wire'
import type { BodyBudget } from '../body.ts'
import type { RelayConfig } from '../config.ts'
import { toFerryError } from '../errors.ts'
import { Exchange } from '../exchange.ts'
import { type Call, sender, withQuery } from '../forward.ts'
import type { InFlight } from '../in-flight.ts'
import type { Token } from '../tokens.ts'
import { CalledNames } from './called-names.ts'
import type { DurableExchange } from './durable-exchange.ts'
import { createExchangeMeters } from './exchange-meters.ts'
import { Exchanges } from './exchanges.ts'
import { FramedReader } from './framed-reader.ts'
import { type CarrierRequest, judge, LOST, type Refusal, startsWhatIsFree } from './judge.ts'
import { checkExchangeId, type LinkRequest, readLinkRequest } from './link-request.ts'
import { LoadGate } from './load-gate.ts'
import { FileMarkers, MARKER_LIFE_MS } from './markers.ts'
import { createLinkMeters } from './meters.ts'
import { DurableOutput } from './output.ts'
import { PlainReader } from './plain-reader.ts'
import { receiveBody } from './receive.ts'

/** What the link needs of the relay. */
export interface LinkDeps {
  readonly config: RelayConfig
  readonly budget: BodyBudget
  readonly inFlight: InFlight
  /** Where its metrics go. */
  readonly registry: Registry
  /** Whether there is but one relay token. */
  readonly isOnlyToken: () => boolean
  /** Records a vendor's call that is over. */
  readonly record: (call: Exchange) => void
}

/** The relay's end of the border link. */
export interface Link {
  readonly exchanges: Exchanges
  /**
   * Serves a request that is to be durable.
   *
   * @param admitNew throws when the caller may not start anything now; resumes are not asked.
   */
  carry(carrier: Exchange, call: Call, admitNew: () => void): void
  /** Serves `DELETE /exchanges/{id}`. @throws {FerryError} `not_found` */
  cancel(carrier: Exchange, id: string, token: Token): void
  /** Ends all exchanges. */
  close(): void
}

/** How often old bodies are forgotten, and the markers of living exchanges kept young. */
const SWEEP_MS = 60_000
/** How often old markers are deleted: each takes a look at every one. */
const SWEEP_MARKERS_MS = 5 * 60_000

/** A carrier whose body is here. */
interface Arrival extends CarrierRequest {
  readonly carrier: Exchange
  readonly call: Call
  readonly asked: LinkRequest
  readonly name: string
  readonly body: Buffer
  /** SHA-256 of the body, whether or not it came along. */
  readonly digest: string
}

/** Builds the link. @throws when the folder of markers cannot be used. */
export function createLink({ config, budget, inFlight, registry, isOnlyToken, record }: LinkDeps): Link {
  const { link, timeouts } = config
  const markers = new FileMarkers(link.markersFolder)
  const exchanges = new Exchanges(markers, link, isOnlyToken)
  const gate = new LoadGate()
  const bodies = new KeptBodies(bodiesLimits(link.maxBodiesBytes))
  const meters = createLinkMeters(registry, gate, bodies)
  const ends = createExchangeMeters(registry, exchanges)
  const calledNames = new CalledNames()
  const sweeper = setInterval(() => {
    exchanges.refreshMarkers()
    bodies.sweep()
  }, SWEEP_MS)
  sweeper.unref()
  const markerSweeper = setInterval(() => {
    markers.sweep().catch(() => {
      // What could not be deleted now is deleted next time.
    })
  }, SWEEP_MARKERS_MS)
  markerSweeper.unref()
  const ager = setInterval(() => calledNames.age(), MARKER_LIFE_MS)
  ager.unref()

  function arrive(arrival: Arrival, admitNew: () => void): void {
    const { carrier, name } = arrival
    const begun = begin(arrival, admitNew)
    if (begun !== undefined) {
      attach(arrival, begun, 0)
      return
    }
    const verdict = judge(arrival, exchanges.look(name))
    // It was not free a moment ago: another process of this host was first.
    if (verdict.kind === 'start') throw refusal(carrier, LOST)
    if (verdict.kind === 'refuse') {
      ends.refused(verdict.code)
      throw refusal(carrier, verdict)
    }
    const durable = exchanges.get(name)
    ends.resumed((durable?.end ?? 0) - verdict.offset)
    attach(arrival, durable, verdict.offset)
  }

  /** Starts what is free, as nearly everything is: the claim itself tells. Undefined for all else. */
  function begin(arrival: Arrival, admitNew: () => void): DurableExchange | undefined {
    const { name } = arrival
    if (!startsWhatIsFree(arrival) || exchanges.get(name) !== undefined) return undefined
    try {
      admitNew()
      return start(arrival)
    } catch (error) {
      // What is not free has an answer of its own, however little room there is.
      if (exchanges.look(name).kind === 'free') throw error
      return undefined
    }
  }

  function start({ carrier, call, asked, name, fingerprint, body, digest }: Arrival): DurableExchange | undefined {
    const vendorCall = callOf(carrier)
    const over = once(() => {
      vendorCall.outcome ??= 'completed'
      record(vendorCall)
    })
    const durable = exchanges.claim({
      name,
      fingerprint,
      token: call.token.name,
      cancelVendor() {
        vendorCall.abort?.('client_closed')
        over()
      },
      onFinished: over,
      onGone: () => inFlight.remove(vendorCall),
    })
    if (durable === undefined) return undefined
    ends.called(calledNames.add(name))
    inFlight.add(vendorCall)
    if (asked.keeps && link.compression.differences) {
      bodies.keep(ownerOf(call.token, asked.scope), { digest, bytes: body, base: asked.base, affinity: '' })
    }
    const output = new DurableOutput(vendorCall, durable)
    try {
      sender(vendorCall, call, config, output)(body.length === 0 ? null : body)
    } catch (error) {
      // The id is used up: whatever comes of it is its answer.
      output.refuse(toFerryError(error))
    }
    return durable
  }

  function attach(
    { carrier, call, asked, digest }: Arrival,
    durable: DurableExchange | undefined,
    offset: number,
  ): void {
    const { response } = carrier
    carrier.isCarrier = true
    if (durable === undefined || response.destroyed) return
    const stallMs = timeouts.streamIdleMs
    const packing = link.compression.answers ? choosePacking(asked.packings) : undefined
    const isKept = bodies.get(ownerOf(call.token, asked.scope), digest) !== undefined
    const options = { requestId: carrier.id, heartbeatMs: link.heartbeatMs, stallMs, packing, isKept, gate, meters }
    const reader = asked.isFramed
      ? new FramedReader(response, options)
      : new PlainReader(response, asked.offset !== undefined, stallMs)
    response.on('drain', () => durable.drained(reader))
    response.once('close', () => {
      if (durable.left(reader)) ends.broken()
    })
    durable.attach(reader, offset)
  }

  return {
    exchanges,
    carry(carrier, call, admitNew) {
      const asked = readLinkRequest(carrier.request.headers)
      const baseOf = (digest: string): Buffer | undefined => bodies.get(ownerOf(call.token, asked.scope), digest)?.bytes
      receiveBody(carrier, config, { budget, meters, asked, baseOf }, (body) =>
        arrive(arrivalOf(carrier, call, asked, body), admitNew),
      )
    },
    cancel(carrier, id, token) {
      const scope = carrier.request.headers[LINK_HEADERS.scope]
      const name = nameOf(token, String(scope ?? ''), checkExchangeId(id))
      if (!exchanges.cancel(name)) throw new FerryError('not_found', 'There is no such exchange; now it cannot begin.')
      carrier.response.writeHead(204, ['x-ferry-request-id', carrier.id])
      carrier.response.end()
    },
    close() {
      clearInterval(sweeper)
      clearInterval(markerSweeper)
      clearInterval(ager)
      gate.stop()
      bodies.clear()
      exchanges.abandonAll()
    },
  }
}

function refusal(carrier: Exchange, verdict: Refusal): FerryError {
  carrier.reached = verdict.reached
  return new FerryError(verdict.code, verdict.message)
}

function arrivalOf(carrier: Exchange, call: Call, asked: LinkRequest, body: Buffer): Arrival {
  const actual = hash('sha256', body)
  const { digest = actual, scope, id, offset } = asked
  if (body.length > 0 && digest !== actual) {
    throw new FerryError('invalid_request', 'The body is not the one that x-ferry-digest names.', {
      param: LINK_HEADERS.digest,
    })
  }
  const { vendor, token, path, query } = call
  const target = [vendor.name, carrier.request.method, withQuery(path, query, vendor), digest]
  const name = nameOf(token, scope, id)
  return {
    carrier,
    call,
    asked,
    name,
    body,
    digest,
    offset,
    hasBody: digest === actual,
    fingerprint: hash('sha256', target.join('\n')),
  }
}

/** How long a body is kept, in ms: a little longer than clients build on it. */
const BODY_LIFE_MS = 15 * 60_000

/** None of many callers may have it all. */
const bodiesLimits = (maxBytes: number): KeptBodiesLimits => ({
  maxBytes,
  maxOwnerBytes: Math.ceil(maxBytes / 8),
  maxOwnerBodies: 64,
  lifeMs: BODY_LIFE_MS,
})

/** Whose bodies may build on each other: nobody with another token or scope can say it. */
const ownerOf = (token: Token, scope: string): string => hash('sha256', [token.name, scope].join('\0'))

/** An exchange's name: nobody with another token or scope can say it. */
const nameOf = (token: Token, scope: string, id: string): string => hash('sha256', [token.name, scope, id].join('\0'))

/** The vendor's call as a record of its own: it outlives the carrier that began it. */
function callOf(carrier: Exchange): Exchange {
  const call = new Exchange(carrier.request, carrier.response, carrier.id)
  const { address, vendor, token, path, operation, bytesIn, reservation } = carrier
  carrier.reservation = undefined
  return Object.assign(call, { address, vendor, token, path, operation, bytesIn, reservation })
}

function once(task: () => void): () => void {
  let isDone = false
  return () => {
    if (!isDone) task()
    isDone = true
  }
}
