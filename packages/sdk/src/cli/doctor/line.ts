import type { Asker } from '../http.ts'
import { type Finding, findings, reasonOf } from './finding.ts'

const SAMPLES = 20
const WARN_RTT_MS = 400
/** Segment of TCP over Ethernet, in bits. */
const SEGMENT_BITS = 1_460 * 8

/** What warm round trips say of a line. */
export interface Line {
  readonly medianMs: number
  readonly minMs: number
  readonly p95Ms: number
  /** Share of the round trips that took a retransmission's time or more, each with at least two packets: 0 to 1. */
  readonly stalledRatio: number
}

/** Small requests one after the other on one warm connection. */
export async function measureLine(asker: Asker, samples: number): Promise<Line> {
  await asker.ask('/health')
  const times: number[] = []
  for (let i = 0; i < samples; i++) times.push((await asker.ask('/health')).headMs)
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
  const minMs = at(0)
  // A lost packet costs a retransmission timeout: 200 ms at least on Linux.
  const stalled = times.filter((ms) => ms > minMs + 200).length
  return { medianMs: at(0.5), minMs, p95Ms: at(0.95), stalledRatio: stalled / samples }
}

/** Mbit/s that TCP with loss-based congestion control reaches at this loss, by the formula of Mathis; BBR does better. */
export function expectedMbit({ medianMs }: Line, loss: number): number {
  return ((SEGMENT_BITS / (medianMs / 1000)) * (1.22 / Math.sqrt(loss))) / 1e6
}

/** Round trips, and what they let expect of loss and throughput. */
export async function checkLine(asker: Asker, host: string): Promise<readonly Finding[]> {
  const line = await measureLine(asker, SAMPLES).catch(reasonOf)
  const rtt = findings('rtt', host)
  if (typeof line === 'string')
    return [rtt.fail(`the connection broke (${line})`, 'measure again; then `ferry bench-link`')]
  const times = `${line.medianMs.toFixed(0)} ms (least ${line.minMs.toFixed(0)}, P95 ${line.p95Ms.toFixed(0)})`
  const found: Finding[] = [
    line.medianMs > WARN_RTT_MS
      ? rtt.warn(times, 'choose a host nearer to China (Hong Kong, Tokyo, Singapore) or a better line (CN2)')
      : rtt.ok(times),
  ]
  const loss = findings('loss', host)
  if (line.stalledRatio === 0) return [...found, loss.ok(`no stall in ${SAMPLES} round trips`)]
  // A round trip is a packet each way.
  const ratio = line.stalledRatio / 2
  const detail = `about ${(ratio * 100).toFixed(1)} %: ${line.stalledRatio * SAMPLES} of ${SAMPLES} round trips stalled; without BBR that allows about ${expectedMbit(line, ratio).toFixed(1)} Mbit/s`
  return [
    ...found,
    loss.warn(detail, 'set BBR on both sides (deploy/scripts/provision); `ferry bench-link` measures more'),
  ]
}
