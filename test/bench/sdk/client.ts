// The client's own costs, beside a bare fetch in the same process. Its CPU time is the figure: the network and the other
// end are in both.
import { createFerry, type Ferry } from '@llm-ferry/sdk'

export interface Subject {
  readonly ferry: Ferry
  readonly url: string
}

export const subjectAt = (port: number): Subject => ({
  ferry: createFerry({ baseURL: `http://127.0.0.1:${port}`, apiKey: 'bench-key-0123456789' }),
  url: `http://127.0.0.1:${port}/v1/chat/completions`,
})

const messages = [{ role: 'user' as const, content: '渡船几点开？' }]
const headers = { 'content-type': 'application/json', authorization: 'Bearer bench-key-0123456789' }
const ask = (url: string, body: object): Promise<Response> =>
  fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })

/** Reads a stream's bytes and nothing else. */
async function readBytes(url: string, model: string): Promise<void> {
  const { body } = await ask(url, { model, messages, stream: true })
  const reader = body?.getReader()
  while (reader && !(await reader.read()).done);
}

/** Reads a stream as one does by hand: lines, and JSON where it is. */
async function readByHand(url: string, model: string): Promise<void> {
  const { body } = await ask(url, { model, messages, stream: true })
  let rest = ''
  for await (const text of body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.startsWith('data: {')) JSON.parse(line.slice(6))
  }
}

async function readEvents({ ferry }: Subject, model: string): Promise<void> {
  for await (const _ of ferry.chat.stream({ model, messages }));
}

/** CPU time of some calls, one after the other, in µs a call. */
async function cpuOf(calls: number, call: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage()
  for (let i = 0; i < calls; i++) await call()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / calls
}

/** What is compared: the client, and a bare fetch that does the same. In µs of CPU time. */
export interface Comparison {
  readonly what: string
  readonly bare: number
  readonly client: number
  /** What the client adds, a call or a chunk. */
  readonly added: number
  readonly goal?: number
}

interface Contest {
  readonly what: string
  readonly calls: number
  /** How many of what is counted a call has. */
  readonly per: number
  readonly goal?: number
  readonly bare: () => Promise<unknown>
  readonly client: () => Promise<unknown>
}

export async function compareAll(subject: Subject): Promise<readonly Comparison[]> {
  const { ferry, url } = subject
  const [burst, ticks] = ['burst-1000', 'ticks-200']
  const whole = {
    bare: async () => (await ask(url, { model: 'm', messages, stream: false })).json(),
    client: () => ferry.chat({ model: 'm', messages }),
  }
  const contests: readonly Contest[] = [
    { what: 'a whole answer, a call', calls: 400, per: 1, goal: 150, ...whole },
    {
      what: 'a stream of 1,000 chunks at once, a chunk; beside reading bytes',
      calls: 30,
      per: 1000,
      goal: 3,
      bare: () => readBytes(url, burst),
      client: () => readEvents(subject, burst),
    },
    {
      what: 'the same beside splitting lines and parsing JSON by hand',
      calls: 30,
      per: 1000,
      bare: () => readByHand(url, burst),
      client: () => readEvents(subject, burst),
    },
    {
      what: 'a stream of 200 chunks, each by itself, a chunk; beside reading bytes',
      calls: 30,
      per: 200,
      bare: () => readBytes(url, ticks),
      client: () => readEvents(subject, ticks),
    },
  ]
  const rows: Comparison[] = []
  for (const contest of contests) rows.push(await compare(contest))
  return rows
}

const ROUNDS = 15

/** By turns, the first one to warm up. The least of each counts: other work on the machine can only add to it. */
async function compare({ what, calls, per, goal, bare, client }: Contest): Promise<Comparison> {
  const least = { bare: Number.POSITIVE_INFINITY, client: Number.POSITIVE_INFINITY }
  for (let i = 0; i <= ROUNDS; i++) {
    const round = { bare: await cpuOf(calls, bare), client: await cpuOf(calls, client) }
    if (i === 0) continue
    least.bare = Math.min(least.bare, round.bare)
    least.client = Math.min(least.client, round.client)
  }
  return {
    what,
    bare: least.bare / per,
    client: least.client / per,
    added: (least.client - least.bare) / per,
    ...(goal !== undefined && { goal }),
  }
}

/** Heap in MiB after each 2,000 streams: read to the end, left in the middle, aborted. Needs `--expose-gc`. */
export async function heapOverStreams({ ferry }: Subject, streams = 10_000): Promise<readonly number[]> {
  const heaps: number[] = []
  for (let done = 0; done < streams; done += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, i) => useStream(ferry, i)))
    if ((done + 20) % 2000 === 0) heaps.push(await settledHeap())
  }
  return heaps
}

async function useStream(ferry: Ferry, i: number): Promise<void> {
  const controller = new AbortController()
  const stream = ferry.chat.stream({ model: 'burst-20', messages }, { signal: controller.signal })
  if (i % 4 === 1) await stream.final()
  else if (i % 4 === 2) for await (const _ of stream.sentences()) break
  else if (i % 4 === 3) {
    controller.abort()
    await stream.text().catch(() => undefined)
  } else for await (const _ of stream);
}

async function settledHeap(): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 200))
  globalThis.gc?.()
  return process.memoryUsage().heapUsed / 2 ** 20
}
