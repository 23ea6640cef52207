// `npm run bench:link`: what a long, lossy line that is reset every five seconds does to streams, by four ways over it.
// Writes docs/link-measured.md. Needs root and Linux: it makes two network namespaces, and takes them away again.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { circumstances } from '../report.ts'
import { ROOT } from '../rig.ts'
import { digits, table } from '../stats.ts'
import { type Call, FIRST_TOKEN_MS, type Job, TOKEN_MS, TOKENS, type Way } from './script.ts'
import { Services, WAYS } from './services.ts'
import { Wan } from './wan.ts'

const RTT_MS = 200
const LOSSES = [0, 1, 5, 15]
const RESET_EVERY_MS = 5000
const FIRST_RESET_MS = 2500
/** No job takes longer. */
const JOB_MS = 120_000
const NAMES: Readonly<Record<Way, string>> = {
  nginx: "(a) openai's SDK, nginx as the relay",
  relay: "(b) openai's SDK, our relay without the link",
  link: '(c) the same SDK over the border link',
  bff: '(d) the same SDK to the BFF',
}
const ways = Object.keys(WAYS) as Way[]

const wan = new Wan()
const services = new Services(wan)
let jobs = 0

/** What came of a job, the vendor's view included. */
interface Outcome {
  readonly calls: readonly Call[]
  /** Calls that the vendor got more than once for one of ours. */
  readonly duplicates: number
  readonly bytes: { readonly up: number; readonly down: number }
}

async function run(way: Way, asked: Omit<Job, 'way' | 'baseUrl' | 'name'>, resets: boolean): Promise<Outcome> {
  const { baseUrl, key } = WAYS[way]
  const name = `j${++jobs}`
  const job: Job = { ...asked, way, baseUrl, name }
  await services.calls()
  const client = wan.spawn(
    'home',
    [
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      '--conditions=ferry-source',
      'test/bench/link/client.ts',
      JSON.stringify(job),
    ],
    { cwd: ROOT, env: { PATH: process.env.PATH, KEY: key }, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const timer = setTimeout(() => client.kill('SIGKILL'), JOB_MS)
  let resetting: NodeJS.Timeout | undefined
  let calls: Call[] = []
  if (client.stdout === null) throw new Error('the client has no output')
  for await (const line of createInterface({ input: client.stdout })) {
    if (line !== 'warm') {
      calls = JSON.parse(line) as Call[]
      continue
    }
    await wan.takeBytes()
    const again = (afterMs: number): void => {
      resetting = setTimeout(() => {
        wan.reset()
        again(RESET_EVERY_MS)
      }, afterMs)
    }
    if (resets) again(FIRST_RESET_MS)
  }
  clearTimeout(timer)
  clearTimeout(resetting)
  const bytes = await wan.takeBytes()
  const seen = await services.calls()
  const duplicates = [...seen].reduce((sum, [call, times]) => (call.startsWith(`${name}-`) ? sum + times - 1 : sum), 0)
  return { calls, duplicates, bytes }
}

const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN

async function brokenLine(): Promise<string> {
  const asked = { calls: 20, apartMs: 100, pauseMs: 0, promptBytes: 2000, tokens: TOKENS }
  const head = ['loss', 'resets', 'way', 'complete', 'first token p50 ms', 'p99', 'gap p99 ms', 'longest gap ms']
  head.push('duplicate vendor calls', 'KB a call')
  const rows: string[][] = []
  for (const loss of LOSSES) {
    await wan.set('loss', loss)
    for (const resets of [false, true]) {
      for (const way of ways) {
        const { calls, duplicates, bytes } = await run(way, asked, resets)
        const first = calls.flatMap(({ firstTokenMs }) => firstTokenMs ?? [])
        const gaps = calls.flatMap(({ gapsMs }) => gapsMs)
        const whole = calls.filter(({ isWhole }) => isWhole).length
        rows.push([
          `${loss} %`,
          resets ? 'every 5 s' : 'none',
          NAMES[way],
          `${digits((100 * whole) / asked.calls)} %`,
          digits(percentile(first, 0.5)),
          digits(percentile(first, 0.99)),
          digits(percentile(gaps, 0.99)),
          digits(Math.max(...gaps)),
          String(duplicates),
          digits((bytes.up + bytes.down) / 1000 / asked.calls),
        ])
        console.error(rows.at(-1)?.join(' | '))
      }
    }
  }
  return table(head, rows)
}

async function warmLine(): Promise<string> {
  await wan.set('loss', 0)
  const head = ['prompt', 'way', 'first token p50 ms', 'most', 'beyond vendor and 1 RTT, p50 ms', 'KB up a call']
  const rows: string[][] = []
  for (const promptBytes of [1000, 20_000, 100_000]) {
    for (const way of ways) {
      const asked = { calls: 6, apartMs: 0, pauseMs: 1500, promptBytes, tokens: 1 }
      const { calls, bytes } = await run(way, asked, false)
      const first = calls.flatMap(({ firstTokenMs }) => firstTokenMs ?? [])
      const middle = percentile(first, 0.5)
      rows.push([
        `${promptBytes / 1000} KB`,
        NAMES[way],
        digits(middle),
        digits(Math.max(...first)),
        digits(middle - RTT_MS - FIRST_TOKEN_MS),
        digits(bytes.up / 1000 / asked.calls),
      ])
      console.error(rows.at(-1)?.join(' | '))
    }
  }
  return table(head, rows)
}

function stop(): void {
  services.stop()
  wan.down()
}

process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))
process.once('exit', stop)
await wan.up()
await wan.set('rtt', RTT_MS)
await services.start()
const warm = await warmLine()
const broken = await brokenLine()
const page = `# The border link, measured

Written by \`npm run bench:link\`; what the columns mean and how the line is made is in [testing.md](testing.md).

${circumstances()}
RTT ${RTT_MS} ms, 100 Mbit/s, loss in the direction of home; BBR abroad, cubic at home, tcp_slow_start_after_idle 0 on both
sides, HTTP without TLS. The vendor's first token takes ${FIRST_TOKEN_MS} ms, each later one ${TOKEN_MS} ms.

## A broken line

20 streams of ${TOKENS} tokens, begun 100 ms apart, with prompts of 2 KB. A reset ends every connection over the line at both
ends, the first after 2.5 s. Complete: the text is the vendor's, whole, and has its end. The SDK repeats what failed before
its first byte, twice at most, as it does by default.

${broken}

## A warm line

One call after the other, 1.5 s apart, after one of the same size; no loss. Prompts of random words, each call with others.

${warm}
`
writeFileSync(join(ROOT, 'docs/link-measured.md'), page)
console.log(page)
process.exit(0)
