import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '@llm-ferry/kit'
import { FerryError } from '@llm-ferry/sdk'
import type { ExchangeRef } from '@llm-ferry/sdk/link'
import type { Party } from '../context.ts'
import { idempotencyKeys } from '../limits/keys.ts'
import { type Store, StoreUnavailable } from '../store/store.ts'
import type { Handover } from './handover.ts'
import type { CallIdentity } from './identity.ts'
import { type CallKeeper, KeyedCall, type Standing } from './keyed-call.ts'
import type { IdempotencyMetrics } from './metrics.ts'
import { CANCEL, CLAIM, type Ending, FINISH, NOTE, type Phase } from './procedures.ts'
import type { RecordingLimits } from './recording.ts'
import { MAX_RESULT_BYTES, openResult, type Result, ResultBudget, sealResult } from './results.ts'

export interface CallsOptions {
  readonly store: Store
  /** How long a call whose callers have all gone works on, in ms. */
  readonly detachGraceMs: number
  /** How long an answer can be had again, in ms. */
  readonly resultMs: number
  readonly endExchange: (caller: Party, exchange: ExchangeRef) => Promise<void>
  readonly metrics: IdempotencyMetrics
  readonly log: Logger
  /** What answers may hold in this process: of one, and of all. In bytes. */
  readonly limits?: { readonly maxBytes: number; readonly maxAllBytes: number }
}

/** How long an owner counts as living without a word from it, in ms. */
const LEASE_MS = 15_000
/** How often calls are looked after that nobody else can end; the others in every tenth round. */
const ROUND_MS = 500
const ROUNDS_BETWEEN = 10
/** How often a call is asked for that only its owner can answer, in ms. */
const WAIT_MS = 150

const LIMITS = { maxBytes: 8 * 1024 * 1024, maxAllBytes: 128 * 1024 * 1024 }

/** What a request with a key comes to: a call to make, one that runs here, or an answer. */
export type Entered =
  | { readonly kind: 'start'; readonly call: KeyedCall }
  | { readonly kind: 'attach'; readonly call: KeyedCall }
  | { readonly kind: 'stored'; readonly result: Result }

/** A request that shows a key. */
export interface KeyedRequest {
  readonly request: IncomingMessage
  readonly requestId: string
  readonly caller: Party
  readonly identity: CallIdentity
  /** Fires when the caller goes. */
  readonly left: AbortSignal
}

/** The calls with a key: those of this process, and what the store knows of the others'. */
export class Calls implements CallKeeper {
  readonly #options: CallsOptions
  readonly #limits: RecordingLimits
  readonly #budget: ResultBudget
  readonly #running = new Map<string, KeyedCall>()
  /** Names that are being claimed right now, so that two requests at once make one call. */
  readonly #claiming = new Map<string, Promise<unknown>>()
  readonly #graces = new Map<KeyedCall, NodeJS.Timeout>()
  readonly #shards = new Map<KeyedCall, string>()
  readonly #timer: NodeJS.Timeout
  readonly #process = randomUUID()
  /** Nobody comes back any more. */
  readonly #closing = new AbortController()
  #claims = 0
  #rounds = 0
  #held = 0

  constructor(options: CallsOptions) {
    const { maxBytes, maxAllBytes } = options.limits ?? LIMITS
    this.#options = options
    this.#budget = new ResultBudget(options.resultMs)
    this.#limits = {
      maxBytes,
      hold: (delta) => {
        this.#held += delta
        return this.#held <= maxAllBytes
      },
    }
    this.#timer = setInterval(() => this.#look(), ROUND_MS).unref()
  }

  /**
   * Finds the call of a request, or begins it.
   *
   * @throws {FerryError} `idempotency_mismatch`, `exchange_lost`, `client_closed` or `conflict`.
   */
  async enter(asked: KeyedRequest): Promise<Entered> {
    const { name, digest } = asked.identity
    for (;;) {
      const running = this.#running.get(name)
      if (running) {
        if (running.identity.digest !== digest) throw this.#mismatch()
        this.#options.metrics.repeat('attached')
        return { kind: 'attach', call: running }
      }
      const claiming = this.#claiming.get(name)
      if (claiming === undefined) break
      await claiming.catch(() => {})
    }
    const work = this.#claim(asked)
    this.#claiming.set(name, work)
    try {
      return await work
    } finally {
      this.#claiming.delete(name)
    }
  }

  /** The call is over: keeps its answer, or frees its key. */
  async finish(call: KeyedCall): Promise<void> {
    const { recording, facts } = call
    const isComplete = recording.state === 'whole' && (recording.head?.status ?? 500) < 400 && facts.error === undefined
    if (isComplete && !(await this.#keep(call))) await this.#linger(call)
    else if (!isComplete) await this.#end(call, call.isBilled ? 'lost' : undefined)
    this.#forget(call)
  }

  /**
   * Cancels the calls of these names, whoever makes them, and such as have yet to come.
   *
   * @returns whether there was one.
   */
  async cancel(caller: Party, names: readonly string[]): Promise<boolean> {
    const found = await Promise.all(names.map((name) => this.#cancelOne(caller, name)))
    return found.includes(true)
  }

  async note(call: KeyedCall, phase: Phase | undefined): Promise<Standing> {
    const key = this.#shards.get(call)
    if (!call.isShared || key === undefined) return 'mine'
    const handover = phase === undefined ? '' : JSON.stringify(call.handover)
    const args = [call.owner, String(LEASE_MS), String(this.#recordMs), phase ?? '', handover]
    try {
      const [word] = await this.#options.store.run(NOTE, [key], args)
      return word as Standing
    } catch (error) {
      // Nobody could take it over, and nobody does: the call itself is not worse for it.
      this.#unguarded(error)
      return 'mine'
    }
  }

  endExchange(caller: Party, exchange: ExchangeRef): void {
    this.#options.endExchange(caller, exchange).catch(() => {})
  }

  onDeserted(call: KeyedCall): void {
    if (call.recording.state !== 'open' || this.#graces.has(call)) return
    this.#graces.set(
      call,
      setTimeout(() => void this.#graceOver(call), this.#options.detachGraceMs),
    )
  }

  /** Waits until no call is left. */
  async close(): Promise<void> {
    this.#closing.abort()
    while (this.#running.size > 0) await sleep(20)
    clearInterval(this.#timer)
  }

  get #recordMs(): number {
    return Math.max(this.#options.resultMs, LEASE_MS * 4)
  }

  async #claim(asked: KeyedRequest): Promise<Entered> {
    const { identity, caller, left } = asked
    const [key, mark] = idempotencyKeys(caller.key, identity.name)
    const owner = `${this.#process}:${++this.#claims}`
    const args = [identity.digest, owner, String(LEASE_MS), String(this.#recordMs)]
    for (;;) {
      const [word, , handover] = await this.#options.store.run(CLAIM, [key, mark], args).catch((error: unknown) => {
        this.#unguarded(error)
        return ['unshared']
      })
      switch (word) {
        case 'claimed':
        case 'unshared':
          return { kind: 'start', call: this.#begin(asked, owner, key, undefined, word === 'claimed') }
        case 'taken':
          return { kind: 'start', call: this.#begin(asked, owner, key, String(handover), true) }
        case 'done':
          return { kind: 'stored', result: await this.#stored(key, identity) }
        case 'mismatch':
          throw this.#mismatch()
        case 'cancelled':
          throw new FerryError('client_closed', 'The call with this Idempotency-Key was cancelled.')
        case 'running':
          await sleep(WAIT_MS, undefined, { signal: left })
          continue
        default:
          throw this.#lost()
      }
    }
  }

  #begin(asked: KeyedRequest, owner: string, key: string, known: string | undefined, isShared: boolean): KeyedCall {
    // A call whose first process died before it was sent has left nothing to go on with.
    const isTakeover = known !== undefined && known !== ''
    const handover: Handover = isTakeover
      ? (JSON.parse(known) as Handover)
      : { callId: asked.requestId, askedAt: Math.floor(Date.now() / 1000) }
    const start = { owner, handover, isTakeover, isShared }
    const call = new KeyedCall(asked.request, asked.identity, start, this.#limits, this)
    this.#running.set(asked.identity.name, call)
    this.#shards.set(call, key)
    this.#options.metrics.repeat(isTakeover ? 'taken_over' : 'new')
    return call
  }

  /** A reader has come: nobody waits for the grace any more. */
  joined(call: KeyedCall): void {
    clearTimeout(this.#graces.get(call))
    this.#graces.delete(call)
  }

  async #graceOver(call: KeyedCall): Promise<void> {
    this.#graces.delete(call)
    if (call.recording.hasReaders || call.recording.state !== 'open') return
    // Another process's call is not ours to end.
    if ((await call.standing()) === 'moved') return
    if (!call.recording.hasReaders) call.response.abandon()
  }

  /** Stores a complete answer; whether it could be. */
  async #keep(call: KeyedCall): Promise<boolean> {
    const { body, head } = call.recording
    if (!call.isShared || body === undefined || head === undefined || body.length > MAX_RESULT_BYTES) return false
    const result = sealResult({ head, body, target: call.handover.target }, call.identity)
    if (!this.#budget.take(result.length)) return false
    const standing = await this.#end(call, 'done', result)
    if (standing === 'mine') this.#options.metrics.stored(result.length)
    return standing !== undefined
  }

  /** An answer that is not stored can be had from here, or from its relay, for a short while. */
  async #linger(call: KeyedCall): Promise<void> {
    const { signal } = this.#closing
    await sleep(this.#options.detachGraceMs, undefined, { ref: false, signal }).catch(() => {})
    await this.#end(call, 'lost')
  }

  /**
   * Tells other processes that the call is over, and its relay.
   *
   * @param ending undefined: the key is free again.
   * @param result is stored with it. Where that cannot be, the relay keeps the answer for now.
   * @returns whose it was; undefined when the store could not be asked.
   */
  async #end(call: KeyedCall, ending: Ending | undefined, result?: Buffer): Promise<Standing | undefined> {
    const { caller, exchange } = call.handover
    const key = this.#shards.get(call)
    let standing: Standing | undefined = call.isMoved ? 'moved' : 'mine'
    if (call.isShared && key !== undefined && standing === 'mine') {
      const args = [call.owner, ending ?? '', '', String(this.#options.resultMs)]
      const reply = this.#options.store.run(FINISH, [key, answerOf(key)], args, result)
      const [word] = await reply.catch((error: unknown) => {
        this.#unguarded(error)
        return [undefined]
      })
      standing = word as Standing | undefined
    }
    const isOver = standing !== 'moved' && (standing !== undefined || result === undefined)
    if (isOver && caller && exchange) this.endExchange(caller, exchange)
    return standing
  }

  #forget(call: KeyedCall): void {
    this.joined(call)
    if (this.#running.get(call.identity.name) === call) this.#running.delete(call.identity.name)
    this.#shards.delete(call)
    call.recording.release()
  }

  async #stored(key: string, identity: CallIdentity): Promise<Result> {
    const bytes = await this.#options.store.get(answerOf(key)).catch(() => undefined)
    const result = bytes && openResult(bytes, identity)
    if (result === undefined) throw this.#lost()
    this.#options.metrics.repeat('stored')
    return result
  }

  async #cancelOne(caller: Party, name: string): Promise<boolean> {
    const { store, resultMs } = this.#options
    const [key, mark] = idempotencyKeys(caller.key, name)
    const running = this.#running.get(name)
    const [word, , known] = await store.run(CANCEL, [key, mark], [String(resultMs)]).catch((error: unknown) => {
      this.#unguarded(error)
      return ['none']
    })
    if (running && running.recording.state === 'open') {
      running.cancel()
      return true
    }
    if (word === 'ended') await store.delete(answerOf(key)).catch(() => false)
    if (word === 'cancelled' && typeof known === 'string' && known !== '') {
      const { caller: sender, exchange } = JSON.parse(known) as Handover
      if (sender && exchange) this.endExchange(sender, exchange)
    }
    return word === 'cancelled' || word === 'ended'
  }

  /** Looks after leases, and for cancels that came to other processes. */
  #look(): void {
    const isFullRound = ++this.#rounds % ROUNDS_BETWEEN === 0
    for (const call of this.#running.values()) {
      if (!call.isShared || (call.phase === 'exchange' && !isFullRound)) continue
      void this.note(call, undefined).then((standing) => {
        if (standing === 'cancelled' && !call.isCancelled) call.cancel()
        if (standing === 'moved') call.isMoved = true
      })
    }
  }

  #mismatch(): FerryError {
    this.#options.metrics.repeat('mismatch')
    const message = 'This Idempotency-Key came with another request before: take a new key for a new request'
    return new FerryError('idempotency_mismatch', message, { param: 'idempotency-key' })
  }

  #lost(): FerryError {
    this.#options.metrics.repeat('lost')
    return new FerryError(
      'exchange_lost',
      'The call with this Idempotency-Key may have been billed, and its answer is not to be had. Nothing is repeated: ask again with a new key',
    )
  }

  #unguarded(error: unknown): void {
    if (!(error instanceof StoreUnavailable)) throw error
    this.#options.metrics.unguarded()
  }
}

/** Where a call's answer is, by the key of its record. */
const answerOf = (key: string): string => `${key}:result`
