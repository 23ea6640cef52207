import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterBody, type Step, type VendorRequest } from '../../../../test/testkit/scripted-vendor.ts'
import type { CallRecord } from '../../src/ledger/record.ts'
import { plainAnswer, startTestBff, streamAnswer, type TestBff } from '../support.ts'

/** Asks for an answer of the last minute. */
export const CACHED = { headers: { 'cache-control': 'max-age=60' } }

/** A plain answer or a stream, as the request wants it. */
export const asAsked = (request: VendorRequest): Step[] =>
  JSON.parse(request.body.toString()).stream ? streamAnswer() : plainAnswer()

/** A BFF whose lines of the ledger can be read. */
export interface CacheBff extends TestBff {
  /** Stops the BFF and reads the ledger. */
  ledger(): Promise<CallRecord[]>
  /** The value of a metric with these labels. */
  metric(name: string): Promise<number>
}

/** @param steps of each call, whose body has arrived. */
export async function startCacheBff(
  steps: (request: VendorRequest) => Step[] = asAsked,
  env: Record<string, string> = {},
  yaml = '',
): Promise<CacheBff> {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-cache-'))
  const file = join(folder, 'ledger.jsonl')
  const own = { LEDGER_FILE: file, SPOOL_DIR: join(folder, 'spool'), METRICS_PORT: '0', MAX_RETRIES: '0' }
  const started = await startTestBff(afterBody(steps), { ...own, ...env }, yaml)
  return {
    ...started,
    ledger: async () => {
      await started.bff.stop()
      const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
      return lines.map((line) => JSON.parse(line) as CallRecord)
    },
    metric: async (name) => {
      const page = await (await fetch(`http://127.0.0.1:${started.bff.metricsPort}/metrics`)).text()
      const line = page.split('\n').find((one) => one.startsWith(`${name} `))
      return Number(line?.slice(name.length + 1) ?? 0)
    },
  }
}

/** What the cache said of an answer. */
export const cacheOf = (response: Response): string | null => response.headers.get('x-ferry-cache')
