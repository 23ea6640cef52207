import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { AnswerHead, Ending, Reader } from '../../src/link/durable-exchange.ts'
import { Exchanges } from '../../src/link/exchanges.ts'
import { judge } from '../../src/link/judge.ts'
import type { MarkerState, Markers } from '../../src/link/markers.ts'

// Random sequences of everything that docs/link.md lists, against two relay processes of one host. What must hold is
// checked after each step; what must be answered comes from the model, which knows the page's table and nothing else.

const WHOLE = 4096
const BEHIND = 1024
const GRACE_MS = 1000
const LARGEST_PIECE = 2500
const LARGEST_BLOCK = 65_536

/** The vendor's answer: byte i is a function of i, so that a shifted or doubled byte shows. */
const truth = (from: number, to: number): Buffer =>
  Buffer.from(Array.from({ length: to - from }, (_, i) => byteAt(from + i)))
const byteAt = (offset: number): number => (offset * 7 + (offset >> 8)) & 0xff

class MemoryMarkers implements Markers {
  readonly states = new Map<string, MarkerState>()

  look(name: string): MarkerState {
    return this.states.get(name) ?? 'free'
  }

  claim(name: string): boolean {
    return this.#create(name, 'claimed')
  }

  cancel(name: string): boolean {
    return this.#create(name, 'cancelled')
  }

  refresh(): void {}

  #create(name: string, state: MarkerState): boolean {
    if (this.states.has(name)) return false
    this.states.set(name, state)
    return true
  }
}

class TestReader implements Reader {
  readonly from: number
  received = 0
  heads = 0
  ending: Ending | undefined
  /** How many more bytes its socket takes before it is full. */
  room: number
  isBlocked = false

  constructor(from: number, room: number) {
    this.from = from
    this.room = room
  }

  head(_: AnswerHead, offset: number): void {
    this.heads++
    expect(offset).toBe(this.from)
    expect(this.received).toBe(0)
  }

  data(bytes: Buffer): boolean {
    expect(this.heads).toBe(1)
    expect(this.ending).toBeUndefined()
    expect(this.isBlocked).toBe(false)
    const at = this.from + this.received
    expect(bytes.equals(truth(at, at + bytes.length))).toBe(true)
    this.received += bytes.length
    this.room -= bytes.length
    this.isBlocked = this.room <= 0
    return !this.isBlocked
  }

  end(ending: Ending): void {
    expect(this.ending).toBeUndefined()
    this.ending = ending
  }
}

/** One vendor call. */
class Call {
  produced = 0
  hasHead = false
  isPaused = false
  state: 'running' | 'complete' | 'failed' | 'cancelled' = 'running'
  readonly side = {
    pause: () => {
      expect(this.isPaused).toBe(false)
      this.isPaused = true
    },
    resume: () => {
      expect(this.isPaused).toBe(true)
      this.isPaused = false
    },
  }
}

const NAME = 'name'

/** Two processes and their vendor, as they are. */
class Host {
  readonly markers = new MemoryMarkers()
  readonly processes = [this.#process(), this.#process()]
  readonly calls: Call[] = []
  readers: (TestReader | undefined)[] = [undefined, undefined]
  readonly displaced: TestReader[][] = [[], []]
  /** Highest byte that any reader took. */
  handedOn = 0

  #process(): Exchanges {
    const limits = { kept: { whole: WHOLE, behind: BEHIND, behindTight: BEHIND }, maxBytes: 1 << 20, graceMs: GRACE_MS }
    return new Exchanges(
      this.markers,
      limits,
      () => true,
      (task) => task(),
    )
  }

  restart(at: number): void {
    const call = this.runningAt(at)
    if (call !== undefined) call.state = 'cancelled'
    this.processes[at] = this.#process()
    this.readers[at] = undefined
  }

  /** Which process the running call belongs to is what `owners` remembers. */
  readonly owners = new Map<Call, number>()

  runningAt(at: number): Call | undefined {
    return this.calls.find((call) => call.state === 'running' && this.owners.get(call) === at)
  }

  carry(at: number, fingerprint: string, offset: number | undefined, hasBody: boolean, room: number): string {
    const process = this.processes[at] as Exchanges
    const verdict = judge({ fingerprint, offset, hasBody }, process.look(NAME))
    if (verdict.kind === 'refuse') return verdict.code
    if (verdict.kind === 'start') this.#start(at, fingerprint)
    const reader = new TestReader(offset ?? 0, room)
    const former = this.readers[at]
    if (former !== undefined) this.displaced[at]?.push(former)
    this.readers[at] = reader
    process.get(NAME)?.attach(reader, offset ?? 0)
    return verdict.kind
  }

  #start(at: number, fingerprint: string): void {
    const call = new Call()
    const process = this.processes[at]
    process?.claim({
      name: NAME,
      fingerprint,
      token: 't',
      cancelVendor: () => {
        // The timers of a process that died.
        if (this.processes[at] !== process) return
        expect(call.state).toBe('running')
        call.state = 'cancelled'
      },
    })
    this.calls.push(call)
    this.owners.set(call, at)
  }
}

/** What docs/link.md says should be. */
interface Model {
  marker: MarkerState
  /** Per process: what lives there. */
  live: ({ fingerprint: string; produced: number; kept: number; finished: boolean; read: boolean } | undefined)[]
}

type Command = fc.Command<Model, Host>

function check(model: Model, host: Host): void {
  expect(host.calls.length, 'one id, one vendor call').toBeLessThanOrEqual(1)
  if (model.marker === 'cancelled') expect(host.calls.length).toBe(0)
  for (const at of [0, 1]) checkProcess(model, host, at)
}

function checkProcess(model: Model, host: Host, at: number): void {
  const exchange = host.processes[at]?.get(NAME)
  const reader = host.readers[at]
  const [call] = host.calls
  const live = model.live[at]
  expect(exchange !== undefined, 'lives').toBe(live !== undefined)
  if (exchange === undefined || live === undefined || call === undefined) return
  expect(exchange.end).toBe(call.produced)
  if (reader !== undefined) host.handedOn = Math.max(host.handedOn, reader.from + reader.received)
  expect(exchange.start).toBeLessThanOrEqual(exchange.end <= WHOLE ? 0 : Math.max(0, host.handedOn - BEHIND))
  expect(exchange.end - exchange.start).toBeLessThanOrEqual(WHOLE + BEHIND + LARGEST_PIECE + LARGEST_BLOCK)
  live.kept = exchange.start
  live.read = exchange.hasReader
  const isReading = exchange.hasReader && reader !== undefined
  if (isReading && !reader.isBlocked && call.hasHead) expect(reader.from + reader.received).toBe(call.produced)
  if (call.state === 'running' && call.produced > 0) {
    const isFull = exchange.end - host.handedOn >= WHOLE
    expect(call.isPaused, 'who pauses the vendor').toBe(isReading ? reader.isBlocked : isFull)
  }
  if (reader?.ending?.kind === 'complete') {
    expect(call.state).toBe('complete')
    expect(reader.from + reader.received).toBe(call.produced)
    expect(reader.ending.bytes).toBe(call.produced)
  }
}

const command = (name: string, check_: (m: Model) => boolean, run: (m: Model, h: Host) => void): Command => ({
  check: check_,
  run: (model, host) => {
    run(model, host)
    check(model, host)
  },
  toString: () => name,
})

/** The table of docs/link.md, read by hand. */
function expected(model: Model, at: number, fingerprint: string, offset: number | undefined, hasBody: boolean): string {
  const live = model.live[at]
  if (live === undefined) {
    if (model.marker === 'cancelled') return 'client_closed'
    if (model.marker === 'claimed') return 'exchange_lost'
    if ((offset ?? 0) > 0) return 'range_not_satisfiable'
    return hasBody ? 'start' : 'not_found'
  }
  if (live.fingerprint !== fingerprint) return 'conflict'
  if (offset === undefined && live.read) return 'conflict'
  if ((offset ?? 0) < live.kept) return 'exchange_lost'
  return (offset ?? 0) > live.produced ? 'range_not_satisfiable' : 'attach'
}

function carry(at: number, fingerprint: string, offset: number | undefined, hasBody: boolean, room: number): Command {
  return command(
    `carry(${at}, ${fingerprint}, ${offset}, ${hasBody})`,
    () => true,
    (model, host) => {
      const want = expected(model, at, fingerprint, offset, hasBody)
      const previous = host.readers[at]
      const wasRead = host.processes[at]?.get(NAME)?.hasReader === true
      expect(host.carry(at, fingerprint, offset, hasBody, room)).toBe(want)
      if (want === 'start') {
        model.marker = 'claimed'
        model.live[at] = { fingerprint, produced: 0, kept: 0, finished: false, read: true }
      }
      if (want === 'attach' && wasRead) expect(previous?.ending).toMatchObject({ code: 'conflict' })
    },
  )
}

/** Attaches where the last reader of this process stopped, as an honest client does. */
const resume = (at: number, room: number): Command =>
  command(
    `resume(${at})`,
    (model) => model.live[at] !== undefined,
    (model, host) => {
      const last = host.readers[at]
      const offset = last === undefined ? 0 : last.from + last.received
      const live = model.live[at]
      const want = expected(model, at, live?.fingerprint ?? '', offset, false)
      expect(host.carry(at, live?.fingerprint ?? '', offset, false, room)).toBe(want)
    },
  )

const vendorHead = (): Command =>
  command(
    'vendorHead',
    () => true,
    (_, host) => {
      const call = host.calls.find(({ state, hasHead }) => state === 'running' && !hasHead)
      if (call === undefined) return
      call.hasHead = true
      ownerOf(host, call)?.answer({ status: 200, reason: 'OK', headers: [] })
    },
  )

const ownerOf = (host: Host, call: Call) => host.processes[host.owners.get(call) ?? 0]?.get(NAME)

const vendorData = (size: number): Command =>
  command(
    `vendorData(${size})`,
    () => true,
    (model, host) => {
      const call = host.calls.find(({ state, hasHead, isPaused }) => state === 'running' && hasHead && !isPaused)
      if (call === undefined) return
      const from = call.produced
      call.produced += size
      const live = model.live[host.owners.get(call) ?? 0]
      if (live !== undefined) live.produced = call.produced
      ownerOf(host, call)?.add(truth(from, call.produced), call.side)
    },
  )

const vendorEnd = (kind: 'complete' | 'failed'): Command =>
  command(
    `vendorEnd(${kind})`,
    () => true,
    (model, host) => {
      const call = host.calls.find(({ state, hasHead, isPaused }) => state === 'running' && hasHead && !isPaused)
      if (call === undefined) return
      call.state = kind
      const live = model.live[host.owners.get(call) ?? 0]
      if (live !== undefined) live.finished = true
      const ending: Ending =
        kind === 'complete'
          ? { kind, bytes: call.produced, trailers: [] }
          : { kind, code: 'upstream_truncated', message: 'broke off' }
      ownerOf(host, call)?.finish(ending)
    },
  )

const readerCut = (at: number): Command =>
  command(
    `readerCut(${at})`,
    () => true,
    (_, host) => {
      const reader = host.readers[at]
      if (reader !== undefined) host.processes[at]?.get(NAME)?.left(reader)
    },
  )

/** Word of a connection that was displaced comes late. */
const lateWord = (at: number): Command =>
  command(
    `lateWord(${at})`,
    () => true,
    (_, host) => {
      for (const reader of host.displaced[at] ?? []) {
        host.processes[at]?.get(NAME)?.drained(reader)
        host.processes[at]?.get(NAME)?.left(reader)
      }
    },
  )

const readerDrains = (at: number, room: number): Command =>
  command(
    `readerDrains(${at})`,
    () => true,
    (_, host) => {
      const reader = host.readers[at]
      if (reader === undefined || reader.ending !== undefined || !reader.isBlocked) return
      if (host.processes[at]?.get(NAME)?.hasReader !== true) return
      reader.isBlocked = false
      reader.room = room
      host.processes[at]?.get(NAME)?.drained(reader)
    },
  )

const cancel = (at: number): Command =>
  command(
    `cancel(${at})`,
    () => true,
    (model, host) => {
      const wasLive = model.live[at] !== undefined
      expect(host.processes[at]?.cancel(NAME)).toBe(wasLive)
      if (wasLive) expect(host.calls[0]?.state).not.toBe('running')
      else if (model.marker === 'free') model.marker = 'cancelled'
      model.live[at] = undefined
    },
  )

const graceOver = (): Command =>
  command(
    'graceOver',
    () => true,
    (model, host) => {
      vi.advanceTimersByTime(GRACE_MS)
      for (const at of [0, 1]) if (host.processes[at]?.get(NAME) === undefined) model.live[at] = undefined
      // Only what nobody reads may have gone.
      for (const at of [0, 1]) if (model.live[at]) expect(host.processes[at]?.get(NAME)?.hasReader).toBe(true)
    },
  )

const restart = (at: number): Command =>
  command(
    `restart(${at})`,
    () => true,
    (model, host) => {
      host.restart(at)
      model.live[at] = undefined
    },
  )

const process_ = fc.integer({ min: 0, max: 1 })
const room = fc.constantFrom(1, 500, 3000, 1_000_000)
const offset = fc.option(fc.constantFrom(0, 1, 700, 3000, 100_000), { nil: undefined })
const ending = fc.constantFrom('complete' as const, 'failed' as const)
const size = fc.integer({ min: 1, max: LARGEST_PIECE })

/** What happens while all goes well, or nearly so. */
const usual = [
  fc.tuple(process_, room).map((args) => resume(...args)),
  fc.tuple(fc.constant(0), fc.constant('a'), offset, fc.boolean(), room).map((args) => carry(...args)),
  size.map(vendorData),
  size.map(vendorData),
  process_.map(readerCut),
  fc.tuple(process_, room).map((args) => readerDrains(...args)),
  ending.map(vendorEnd),
  process_.map(lateWord),
]
const anything = [
  ...usual,
  fc.tuple(process_, fc.constantFrom('a', 'a', 'a', 'b'), offset, fc.boolean(), room).map((args) => carry(...args)),
  fc.constant(vendorHead()),
  process_.map(cancel),
  fc.constant(graceOver()),
  process_.map(restart),
]

/** Runs a sequence against a new host, after what `before` did to it. */
function runModel(sequence: Iterable<Command>, before: readonly Command[] = []): void {
  vi.clearAllTimers()
  const model: Model = { marker: 'free', live: [undefined, undefined] }
  const host = new Host()
  for (const step of before) step.run(model, host)
  fc.modelRun(() => ({ model, real: host }), sequence)
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('whatever happens in whatever order, docs/link.md holds', () => {
  const commands = fc.commands(anything, { maxCommands: 60, size: 'max' })
  fc.assert(
    fc.property(commands, (sequence) => runModel(sequence)),
    { numRuns: 1000 },
  )
})

test('an answer longer than its buffer, cut and resumed in whatever order, arrives whole', () => {
  const commands = fc.commands(usual, { maxCommands: 60, size: 'max' })
  const pieces = fc.array(fc.constantFrom(vendorData(600), vendorData(2000)), { maxLength: 4, size: 'max' })
  const begun = [carry(0, 'a', undefined, true, 1_000_000), vendorHead()]
  const run = (data: readonly Command[], rest: Iterable<Command>): void => runModel(rest, [...begun, ...data])
  fc.assert(fc.property(pieces, commands, run), { numRuns: 400 })
})

test('a claim that another process makes between look and claim is no second call', () => {
  const host = new Host()
  host.markers.claim(NAME)
  const claim = { name: NAME, fingerprint: 'a', token: 't', cancelVendor: () => {} }
  expect(host.processes[0]?.claim(claim)).toBeUndefined()
})
