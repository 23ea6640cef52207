import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DIALECTS, type Dialect, sse } from '../testkit/dialects.ts'
import { afterBody, delay } from '../testkit/scripted-vendor.ts'
import { VENDORS, type Vendor } from '../testkit/services.ts'
import { type BorderRig, startBorder } from './rig.ts'

// How many bytes cross the link, and how many would without it: the table of docs/link.md. Everything that TCP carries
// counts, HTTP's own heads included. UPDATE_DOCS=1 writes the table.

const DOCS = fileURLToPath(new URL('../../docs/', import.meta.url))
const FIXTURES = fileURLToPath(new URL('../testkit/fixtures/', import.meta.url))

/** One line of the table. */
interface Row {
  readonly what: string
  readonly plain: number
  readonly link: number
  /** Goal: share of plain, in percent. */
  readonly most: number
}

let rig: BorderRig
beforeAll(async () => {
  rig = await startBorder({}, { LINK_HEARTBEAT_MS: '5000' })
})
afterAll(() => rig.stop())

const eventsOf = (text: string): string[] => text.match(/[\s\S]+?\r?\n\r?\n/g) ?? []

/** Every recorded stream of a vendor. */
const recorded = (vendor: Vendor): string[][] =>
  readdirSync(FIXTURES)
    .filter((name) => name.startsWith(`${vendor}.`))
    .map((name) => eventsOf(readFileSync(FIXTURES + name, 'utf8')))

/** Paragraphs in two languages, as people write: those of the docs. */
const PARAGRAPHS = ['zh-CN/', 'guide/', '']
  .flatMap((folder) => readdirSync(DOCS + folder).map((name) => folder + name))
  .filter((name) => name.endsWith('.md') && name !== 'link.md')
  .flatMap((name) => readFileSync(DOCS + name, 'utf8').split('\n\n'))
  .filter((text) => text.length > 80)

/** An answer of 300 deltas, each a recorded one with another word in it. */
function longAnswer(vendor: Vendor): string[] {
  const events = recordedText(vendor)
  const at = events.findIndex((event) => event.includes(' there'))
  const words = PARAGRAPHS.join(' ').split(/\s+/).slice(0, 300)
  const deltas = words.map((word) => (events[at] ?? '').replace('" there"', JSON.stringify(` ${word}`)))
  return [...events.slice(0, at), ...deltas, ...events.slice(at + 1)]
}

const recordedText = (vendor: Vendor): string[] => eventsOf(readFileSync(`${FIXTURES}${vendor}.text.sse`, 'utf8'))

async function drain(body: AsyncIterable<Uint8Array> | null): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of body ?? []) pieces.push(piece)
  return Buffer.concat(pieces)
}

const headersOf = ({ credential: [name, value] }: Dialect) => ({ [name]: value, 'content-type': 'application/json' })

/** Bytes that cross the line while a body is asked about, and the answer. */
async function moved(call: () => Promise<Buffer>): Promise<{ up: number; down: number; answer: Buffer }> {
  const before = { ...rig.line.bytes }
  const answer = await call()
  // The acknowledgement belongs to the call.
  await new Promise((resolve) => setTimeout(resolve, 30))
  const { up, down } = rig.line.bytes
  return { up: up - before.up, down: down - before.down, answer }
}

const plainly = (dialect: Dialect, body: string) =>
  moved(async () => {
    const url = `${rig.line.origin}/proxy/${dialect.vendor}${dialect.streamPath}`
    const response = await fetch(url, { method: 'POST', headers: headersOf(dialect), body })
    return drain(response.body)
  })

const overLink = (dialect: Dialect, body: string) =>
  moved(async () => {
    const answer = await rig.link.request({
      path: `/proxy/${dialect.vendor}${dialect.streamPath}`,
      method: 'POST',
      headers: Object.entries(headersOf(dialect)).flat(),
      body: Buffer.from(body),
    })
    return drain(answer.body)
  })

/** The vendor sends these events one by one, so that each has to cross by itself. */
function stream(events: readonly string[]): void {
  rig.vendor.script = afterBody(() => {
    const [head = delay(0), ...rest] = sse(events)
    return [head, ...rest.flatMap((step) => [delay(2), step])]
  })
}

/** A value of the relay's metrics page. */
async function metric(name: string): Promise<number> {
  const line = (await rig.metrics()).split('\n').find((each) => each.startsWith(`${name} `))
  return Number(line?.split(' ')[1] ?? 0)
}

/** Bytes of data frames so far, as the relay counts them. */
const framed = (form: 'raw' | 'wire'): Promise<number> =>
  metric(`relay_link_bytes_total{direction="out",form="${form}"}`)

/** Measures again when the machine was so busy that the relay gave up packing meanwhile. */
async function calmly(measure: () => Promise<Row>): Promise<Row> {
  for (let tries = 1; ; tries++) {
    const before = await metric('relay_link_packing_given_up_total')
    const wasPacking = (await metric('relay_link_packing')) === 1
    const row = await measure()
    if (tries === 5 || (wasPacking && before === (await metric('relay_link_packing_given_up_total')))) return row
  }
}

async function recordedRow(vendor: Vendor): Promise<Row> {
  const before = [await framed('raw'), await framed('wire')] as const
  for (const events of recorded(vendor)) {
    stream(events)
    const { answer } = await overLink(DIALECTS[vendor], DIALECTS[vendor].streamBody)
    expect(answer.toString()).toBe(events.join(''))
  }
  return {
    what: `${vendor}: all recorded streams, bodies alone`,
    plain: (await framed('raw')) - before[0],
    link: (await framed('wire')) - before[1],
    most: 20,
  }
}

async function longRow(vendor: Vendor): Promise<Row> {
  const dialect = DIALECTS[vendor]
  stream(longAnswer(vendor))
  const plain = await plainly(dialect, dialect.streamBody)
  const link = await overLink(dialect, dialect.streamBody)
  expect(link.answer.equals(plain.answer)).toBe(true)
  return { what: `${vendor}: a stream of 300 words`, plain: plain.down, link: link.down, most: 20 }
}

/** A conversation of about 100 KB, and its next turns. */
async function requestRows(): Promise<Row[]> {
  const dialect = DIALECTS.openai
  stream(recordedText('openai'))
  const body = (paragraphs: number): string =>
    JSON.stringify({
      model: 'gpt-x',
      messages: PARAGRAPHS.slice(0, paragraphs).map((content, i) => ({ role: i % 2 ? 'assistant' : 'user', content })),
      stream: true,
    })
  let first = 1
  while (Buffer.byteLength(body(first)) < 100_000) first += 2
  const rows: Row[] = []
  for (const [what, paragraphs, most] of [
    ['first request of 100 KB', first, 40],
    ['its next turn', first + 2, 5],
    ['the turn after that', first + 4, 5],
  ] as const) {
    const text = body(paragraphs)
    const plain = await plainly(dialect, text)
    rig.vendor.clear()
    const link = await overLink(dialect, text)
    expect(rig.vendor.only.body.toString()).toBe(text)
    rows.push({ what, plain: plain.up, link: link.up, most })
  }
  return rows
}

const share = ({ plain, link }: Row): number => (100 * link) / plain

const table = (rows: readonly Row[]): string =>
  [
    '| | plain, bytes | over the link | share | goal |',
    '|---|---:|---:|---:|---:|',
    ...rows.map((row) => `| ${row.what} | ${row.plain} | ${row.link} | ${share(row).toFixed(1)} % | ${row.most} % |`),
  ].join('\n')

const BLOCK = /(<!-- bytes: [^\n]*-->\n)[\s\S]*?(<!-- end -->)/

describe('bytes on the link', () => {
  test('reach their goals, and are what docs/link.md says', async () => {
    const rows = await requestRows()
    for (const vendor of VENDORS) rows.push(await calmly(() => recordedRow(vendor)))
    for (const vendor of VENDORS) rows.push(await calmly(() => longRow(vendor)))
    for (const row of rows) expect(share(row), row.what).toBeLessThanOrEqual(row.most)
    const page = readFileSync(`${DOCS}link.md`, 'utf8')
    if (process.env.UPDATE_DOCS) {
      writeFileSync(
        `${DOCS}link.md`,
        page.replace(BLOCK, (_, begin, end) => `${begin}${table(rows)}\n${end}`),
      )
      return
    }
    const said = [...(BLOCK.exec(page)?.[0].matchAll(/\| ([\d.]+) % \| \d+ % \|/g) ?? [])].map(([, text]) =>
      Number(text),
    )
    expect(said).toHaveLength(rows.length)
    // Ids and dates are new each time; what is much better or worse belongs into the table.
    for (const [i, row] of rows.entries())
      expect(Math.abs(share(row) - (said[i] ?? 0)), row.what).toBeLessThan(1.5 + share(row) / 10)
  })
})
