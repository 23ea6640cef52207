import type { IncomingMessage } from 'node:http'
import { FerryError, HEADERS } from '@llm-ferry/sdk'
import type { ExchangeRef } from '@llm-ferry/sdk/link'
import type { CallFacts, Party } from '../context.ts'
import type { Reservation } from '../limits/limiter.ts'
import type { Handover } from './handover.ts'
import type { CallIdentity } from './identity.ts'
import type { Phase } from './procedures.ts'
import { RecordedResponse } from './recorded-response.ts'
import { Recording, type RecordingLimits } from './recording.ts'

/** Whose a call is. `moved`: another process has taken it over. */
export type Standing = 'mine' | 'moved' | 'cancelled'

/** What a call needs of whoever keeps it. */
export interface CallKeeper {
  /** Notes how far the call is, where other processes see it. */
  note(call: KeyedCall, phase: Phase | undefined): Promise<Standing>
  /** An exchange is of no more use. */
  endExchange(caller: Party, exchange: ExchangeRef): void
  /** Its last reader has gone before its end. */
  onDeserted(call: KeyedCall): void
}

/** A call that was asked for with an Idempotency-Key, as the process that makes it sees it. */
export class KeyedCall {
  readonly identity: CallIdentity
  /** Unique among all claims of all processes. */
  readonly owner: string
  readonly handover: Handover
  readonly facts: CallFacts = {}
  readonly recording: Recording
  readonly response: RecordedResponse
  /** Whether it began in another process. */
  readonly isTakeover: boolean
  /** Whether other processes know of it. */
  readonly isShared: boolean
  phase: Phase
  isMoved = false
  isCancelled = false
  /** Whether the vendor may have billed it. */
  isBilled = false
  readonly #keeper: CallKeeper
  #takeover: ExchangeRef | undefined

  constructor(
    request: IncomingMessage,
    identity: CallIdentity,
    start: { owner: string; handover: Handover; isTakeover: boolean; isShared: boolean },
    limits: RecordingLimits,
    keeper: CallKeeper,
  ) {
    this.identity = identity
    this.owner = start.owner
    this.handover = start.handover
    this.isTakeover = start.isTakeover
    this.isShared = start.isShared
    this.#takeover = start.handover.exchange
    this.phase = this.#takeover === undefined ? 'idle' : 'exchange'
    this.isBilled = this.#takeover !== undefined
    this.#keeper = keeper
    this.recording = new Recording(limits, {
      onDrain: () => this.response.emit('drain'),
      onDeserted: () => keeper.onDeserted(this),
    })
    this.response = new RecordedResponse(request, this.recording, start.handover.head)
  }

  /** What was reserved for it in another process. */
  get adopted(): Reservation | undefined {
    return this.isTakeover ? this.handover.reservation : undefined
  }

  /** Whether the head went to callers before anybody had answered. */
  get beganEarly(): boolean {
    const { head } = this.handover
    return this.isTakeover && head !== undefined && head.status === 200 && head.headers[HEADERS.vendor] === undefined
  }

  admitted(reservation: Reservation | undefined): void {
    if (reservation) this.handover.reservation = reservation
  }

  /**
   * The targets to try: those from the one on that another process has asked already.
   *
   * @throws {FerryError} `exchange_lost` when that one is not among them.
   */
  targets<T extends { readonly vendor: string; readonly model: string }>(targets: readonly T[]): readonly T[] {
    const { target, askedAt, callId } = this.handover
    const at = target ? targets.findIndex(({ vendor, model }) => vendor === target.vendor && model === target.model) : 0
    const dated = targets.slice(at).map((each) => ({ ...each, askedAt, callId }))
    if (at !== -1 || this.#takeover === undefined) return at === -1 ? targets : dated
    throw new FerryError('exchange_lost', 'Who answers this call is no longer configured. Nothing is repeated.')
  }

  /** The exchange to go on with, once. */
  takeOver(): ExchangeRef | undefined {
    const exchange = this.#takeover
    this.#takeover = undefined
    return exchange
  }

  /**
   * The call is about to be sent: over this exchange, or to a vendor that is called directly.
   *
   * @throws {FerryError} when it is no longer this process's call; nothing may be sent then.
   */
  async sending(caller: Party, exchange: ExchangeRef | undefined): Promise<void> {
    const former = this.handover.exchange
    const { vendor = '', model = '' } = this.facts
    this.handover.caller = caller
    this.handover.target = { vendor, model }
    if (exchange) this.handover.exchange = exchange
    else delete this.handover.exchange
    this.phase = exchange ? 'exchange' : 'direct'
    const standing = await this.#keeper.note(this, this.phase)
    if (standing === 'moved') {
      this.isMoved = true
      throw new FerryError('conflict', 'The same request came again elsewhere, and is answered there.')
    }
    if (standing === 'cancelled') this.cancel()
    if (this.isCancelled) throw new FerryError('client_closed', 'The call was cancelled.')
    this.isBilled = true
    if (former && former.id !== exchange?.id) this.#keeper.endExchange(caller, former)
  }

  /** The vendor has nothing of it, or answered with an error of its own: nothing is billed. */
  refused(): void {
    this.isBilled = false
    if (this.phase !== 'direct') return
    this.phase = 'idle'
    void this.#keeper.note(this, this.phase)
  }

  /** Whose it is by now. */
  async standing(): Promise<Standing> {
    if (this.isCancelled) return 'cancelled'
    const standing = this.isMoved ? 'moved' : await this.#keeper.note(this, undefined)
    if (standing === 'moved') this.isMoved = true
    if (standing === 'cancelled') this.isCancelled = true
    return standing
  }

  /** Ends it, at the vendor too. */
  cancel(): void {
    this.isCancelled = true
    this.response.abandon()
  }
}
