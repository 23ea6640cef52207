import { type Procedure, type Reply, StoreUnavailable } from './store.ts'

/** Calls that are one command at most: together they hold Redis up for about a millisecond. */
const CALLS_AT_ONCE = 64

/**
 * Runs the script that {@link turnScript} writes; resolves with its reply.
 *
 * @param args the calls as JSON, then the values that they name.
 */
export type RunScript = (keys: readonly string[], args: readonly (string | Buffer)[]) => Promise<unknown>

/** The same, told how many calls there are. */
type RunTurn = (...turn: [...Parameters<RunScript>, calls: number]) => ReturnType<RunScript>

/** A call as the script reads it: procedure, places of its keys, arguments, and the place of its value; all from 1. */
type PackedCall = readonly [procedure: number, keys: readonly number[], args: readonly string[], value?: number]

interface Waiting {
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: unknown) => void
}

/**
 * Makes one command of all procedures that are run in one turn of the event loop: a command costs this process several
 * times what a procedure's arguments do. Those whose keys share a hash tag go together, so that a cluster, or a proxy in
 * front of one, has all of them on one node. Each is done or refused by itself.
 */
export class Turns {
  readonly #numbers: ReadonlyMap<string, number>
  readonly #run: RunTurn
  #open: Map<string, Batch> | undefined

  constructor(procedures: readonly Procedure[], run: RunTurn) {
    this.#numbers = new Map(procedures.map(({ name }, i) => [name, i + 1]))
    this.#run = run
  }

  add(procedure: Procedure, keys: readonly string[], args: readonly string[], value?: Buffer): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const number = this.#numbers.get(procedure.name)
      if (number === undefined) throw new Error(`The store was not told of the procedure ${procedure.name}`)
      this.#batch(tagOf(keys[0] ?? '')).add(number, keys, args, value, { resolve, reject })
    })
  }

  #batch(tag: string): Batch {
    if (this.#open === undefined) {
      this.#open = new Map()
      setImmediate(() => this.#send())
    }
    const open = this.#open.get(tag)
    if (open !== undefined && open.size < CALLS_AT_ONCE) return open
    if (open !== undefined) open.send(this.#run)
    const made = new Batch()
    this.#open.set(tag, made)
    return made
  }

  #send(): void {
    const batches = this.#open?.values() ?? []
    // A new Map each time: one that sheds its entries keeps what is over from being collected.
    this.#open = undefined
    for (const batch of batches) batch.send(this.#run)
  }
}

/** Calls that become one command. */
class Batch {
  readonly #calls: PackedCall[] = []
  readonly #waiting: Waiting[] = []
  readonly #places = new Map<string, number>()
  readonly #values: Buffer[] = []

  get size(): number {
    return this.#calls.length
  }

  add(
    procedure: number,
    keys: readonly string[],
    args: readonly string[],
    value: Buffer | undefined,
    waiting: Waiting,
  ): void {
    const packed = [procedure, keys.map((key) => this.#placeOf(key)), args.map(wellFormed)] as const
    this.#calls.push(value === undefined ? packed : [...packed, this.#values.push(value) + 1])
    this.#waiting.push(waiting)
  }

  #placeOf(key: string): number {
    const known = this.#places.get(key)
    if (known !== undefined) return known
    this.#places.set(key, this.#places.size + 1)
    return this.#places.size
  }

  send(run: RunTurn): void {
    run([...this.#places.keys()], [JSON.stringify(this.#calls), ...this.#values], this.size).then(
      (replies) => this.#answer(replies as readonly (Reply | string)[]),
      (error: unknown) => {
        for (const { reject } of this.#waiting) reject(error)
      },
    )
  }

  #answer(replies: readonly (Reply | string)[]): void {
    for (const [i, { resolve, reject }] of this.#waiting.entries()) {
      const reply = replies[i] ?? 'no reply'
      if (typeof reply !== 'string') resolve(reply)
      else reject(new StoreUnavailable('refused', `Redis refused: ${reply}`, { mayHappen: false }))
    }
  }
}

/** What a lone half of a surrogate pair becomes in UTF-8 as well; in JSON it would be an escape that cjson refuses. */
const wellFormed = (text: string): string => (text.isWellFormed() ? text : text.toWellFormed())

/** What decides where a key lies in a cluster. */
function tagOf(key: string): string {
  const start = key.indexOf('{')
  const end = key.indexOf('}', start)
  return start === -1 || end === -1 ? key : key.slice(start, end)
}

/**
 * The Lua that does the calls of a turn one after the other.
 *
 * A call that fails replies its error's text in place of its list, and the others are done. Only what says that this is no
 * server to write to fails them all, so that the client looks for another one.
 */
export function turnScript(procedures: readonly Procedure[]): string {
  const functions = procedures.map(({ lua }) => `function(KEYS, ARGV)${lua}\nend`)
  return `local procedures = {${functions.join(',\n')}}
    local replies = {}
    for i, call in ipairs(cjson.decode(ARGV[1])) do
      local keys, args = {}, call[3]
      for k, place in ipairs(call[2]) do keys[k] = KEYS[place] end
      if call[4] then args[#args + 1] = ARGV[call[4]] end
      local done, reply = pcall(procedures[call[1]], keys, args)
      if not done then
        if type(reply) == 'table' then reply = reply.err end
        reply = tostring(reply)
        if string.find(reply, 'READONLY', 1, true) then return redis.error_reply(reply) end
      end
      replies[i] = reply
    end
    return replies`
}
