import { randomBytes } from 'node:crypto'
import type { ClientCertificate } from '../../client-certificate.ts'
import { LINK_HEADERS } from '../../link/wire/index.ts'
import { readArguments } from '../arguments.ts'
import { CliError, type Command, wrongUse } from '../command.ts'
import { expectedMbit, measureLine } from '../doctor/line.ts'
import { Asker } from '../http.ts'
import { clientCertificate, readSettings, relayUrls } from '../settings.ts'

const SIZES_KIB = [16, 128, 1024] as const

const HELP = `ferry bench-link: measure the line to each relay

  ferry bench-link [--env FILE] [--samples 50] [--json]

  For each address of RELAY_URLS: a cold request, warm round trips, and uploads of 16 KiB, 128 KiB and 1 MiB to the
  relay, which takes them whole and then refuses them: no vendor is called and nothing is billed. Needs RELAY_TOKEN,
  and RELAY_CLIENT_CERT_FILE and RELAY_CLIENT_KEY_FILE where the relays take callers with a certificate only.
`

interface Measured {
  readonly relay: string
  /** A first request with DNS, TCP and TLS, in ms. */
  readonly coldMs: number
  readonly rttMs: { readonly least: number; readonly median: number; readonly p95: number }
  readonly stalledPercent: number
  /** Time of an upload, and its rate without the round trip of the answer. */
  readonly uploads: readonly { readonly kib: number; readonly ms: number; readonly mbit: number }[]
}

export const benchLink: Command = {
  name: 'bench-link',
  summary: 'measure the line to each relay: round trips, stalls, uploads',
  help: HELP,
  async run(args, { env, out }) {
    const { values } = readArguments(args, {
      env: { type: 'string' },
      samples: { type: 'string', default: '50' },
      json: { type: 'boolean' },
    })
    const samples = Number(values.samples)
    if (!Number.isInteger(samples) || samples < 5 || samples > 1000)
      throw wrongUse('--samples must be a whole number from 5 to 1000')
    const settings = readSettings(env, values.env)
    const token = settings.RELAY_TOKEN
    const relays = relayUrls(settings)
    if (relays.length === 0) throw wrongUse('RELAY_URLS is not set: name the relays, or a file with --env')
    if (token === undefined) throw wrongUse('RELAY_TOKEN is not set: the relay takes uploads from those it knows')
    const shown = clientCertificate(settings)
    const faults: string[] = []
    for (const url of relays) {
      try {
        const measured = await measure(url, token, samples, shown)
        out(`${values.json ? JSON.stringify(measured) : textOf(measured)}\n`)
      } catch (error) {
        faults.push(`${url.host}: ${(error as Error).message}; \`ferry doctor\` says more`)
      }
    }
    if (faults.length > 0) throw new CliError(faults.join('\n'))
  },
}

async function measure(
  url: URL,
  token: string,
  samples: number,
  shown: ClientCertificate | undefined,
): Promise<Measured> {
  const cold = new Asker(url, shown)
  const { headMs: coldMs } = await cold.ask('/health')
  cold.close()
  const asker = new Asker(url, shown)
  try {
    const line = await measureLine(asker, samples)
    const uploads: Measured['uploads'][number][] = []
    for (const kib of SIZES_KIB) {
      const ms = await upload(asker, token, kib)
      const movingMs = Math.max(ms - line.medianMs, 0.1)
      uploads.push({ kib, ms: rounded(ms), mbit: rounded((kib * 1024 * 8) / movingMs / 1000) })
    }
    return {
      relay: url.host,
      coldMs: rounded(coldMs),
      rttMs: { least: rounded(line.minMs), median: rounded(line.medianMs), p95: rounded(line.p95Ms) },
      stalledPercent: rounded(line.stalledRatio * 100),
      uploads,
    }
  } finally {
    asker.close()
  }
}

/**
 * Time that a body takes to the relay, in ms. It is random, so that nothing shrinks it, and named by a digest that it does not
 * have: the relay reads it to its end, sees that, and refuses it before any vendor is called.
 */
async function upload(asker: Asker, token: string, kib: number): Promise<number> {
  const { status, totalMs } = await asker.ask('/proxy/openai/v1/chat/completions', {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      [LINK_HEADERS.exchange]: `bench.${randomBytes(16).toString('base64url')}`,
      [LINK_HEADERS.digest]: '0'.repeat(64),
    },
    body: randomBytes(kib * 1024),
    timeoutMs: 120_000,
  })
  if (status !== 400) throw new Error(`an upload was answered with ${status} and not refused with 400`)
  return totalMs
}

const rounded = (value: number): number => Math.round(value * 10) / 10

function textOf({ relay, coldMs, rttMs, stalledPercent, uploads }: Measured): string {
  const loss = stalledPercent / 200
  const line = { medianMs: rttMs.median, minMs: rttMs.least, p95Ms: rttMs.p95, stalledRatio: loss * 2 }
  return [
    relay,
    `  cold request   ${coldMs} ms`,
    `  round trip     ${rttMs.median} ms (least ${rttMs.least}, P95 ${rttMs.p95})`,
    loss === 0
      ? '  stalls         none'
      : `  stalls         ${stalledPercent} % of the round trips; without BBR about ${expectedMbit(line, loss).toFixed(1)} Mbit/s`,
    ...uploads.map(({ kib, ms, mbit }) => `  upload ${String(kib).padStart(5)} KiB ${ms} ms (${mbit} Mbit/s)`),
  ].join('\n')
}
