import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isBroken, judge } from './budgets.ts'
import { type Held, holdStreams } from './hold.ts'
import { benchLink } from './link-cpu/index.ts'
import { compileNative, type Native } from './native.ts'
import { HELP, type Options, readOptions } from './options.ts'
import { startServer, stopAll } from './processes.ts'
import { profile } from './profile.ts'
import { redisCommand } from './redis.ts'
import { circumstances, footnotes, heldTable, resultTable, verdictTable } from './report.ts'
import { openRig, type Rig } from './rig.ts'
import { type Result, runRounds } from './rounds.ts'
import { benchScaling } from './scaling/index.ts'
import { benchSdk } from './sdk/index.ts'
import { type Started, startTarget } from './started.ts'

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => void stopAll().then(() => process.exit(1)))
}

try {
  const options = readOptions(process.argv.slice(2))
  if (options.help) console.log(HELP)
  else process.exitCode = await bench(options)
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : error}`)
  process.exitCode = 1
} finally {
  await stopAll()
}

async function bench(options: Options): Promise<number> {
  const rig = openRig()
  const native = compileNative(rig)
  await startHelpers(rig, native, options)
  if (options.profile !== undefined) {
    const [measure] = options.measures
    if (measure !== undefined)
      console.log(await profile(rig, native, options.profile.target, measure, options.profile.sampled))
    return 0
  }
  const results = await byTurns(rig, native, options)
  if (options.short) await lookAgain(rig, native, options, results)
  const held = await holdAll(rig, native, options)
  const verdicts = [...judge(results, held)]
  const parts = [circumstances(), ...results.map(resultTable)]
  if (held.length > 0) parts.push(heldTable(held))
  const freePort = rig.firstPort + options.targets.length
  for (const part of [
    options.scaling && (await benchScaling(rig, native, freePort, options.rounds)),
    options.link && (await benchLink(rig, freePort, options.rounds)),
  ]) {
    if (!part) continue
    parts.push(part.text)
    verdicts.push(...part.verdicts)
  }
  if (options.sdk) parts.push(await benchSdk())
  if (verdicts.length > 0) parts.push(verdictTable(verdicts))
  parts.push(footnotes(options.targets))
  const report = parts.join('\n\n')
  console.log(`\n${report}`)
  writeFileSync(join(rig.run, 'report.md'), `${report}\n`)
  return options.short && verdicts.some(isBroken) ? 1 : 0
}

/** What stands behind the targets: the vendor, and a Redis for those that share their counts. */
async function startHelpers(rig: Rig, native: Native, { targets, profile }: Options): Promise<void> {
  const core = rig.cores?.others
  const vendor = { file: native.mock, args: [String(rig.vendorPort)] }
  await startServer(vendor, { port: rig.vendorPort, log: join(rig.run, 'mock.log'), core })
  if (![...targets, profile?.target].some((target) => target?.needsRedis)) return
  await startServer(redisCommand(rig, rig.redisPort), { port: rig.redisPort, log: join(rig.run, 'redis.log'), core })
}

async function byTurns(rig: Rig, native: Native, { targets, measures, rounds }: Options): Promise<Result[]> {
  if (measures.length === 0) return []
  const started: Started[] = []
  for (const [index, target] of targets.entries()) {
    const one = await startTarget(rig, target, rig.firstPort + index)
    if (one !== undefined) started.push(one)
  }
  const results: Result[] = []
  for (const measure of measures) {
    const wanted = started.filter(({ target }) => measure.targets?.includes(target.name) ?? true)
    results.push(await runRounds(rig, native, measure, wanted, rounds ?? measure.rounds, results.length === 0))
  }
  await Promise.all(started.map(({ server }) => server?.stop()))
  return results
}

/** Puts longer looks in the place of what is broken: one moment of other work on the machine must not end a smoke. */
async function lookAgain(rig: Rig, native: Native, options: Options, results: Result[]): Promise<void> {
  const broken = results.filter((result) => judge([result], []).some(isBroken)).map(({ measure }) => measure)
  if (broken.length === 0) return
  console.error(`bench: ${broken.map(({ name }) => name).join(', ')} once more: it was far from what was recorded`)
  for (const again of await byTurns(rig, native, { ...options, measures: broken, rounds: 2 * (options.rounds ?? 2) })) {
    results[results.findIndex(({ measure }) => measure === again.measure)] = again
  }
}

async function holdAll(rig: Rig, native: Native, { targets, hold }: Options): Promise<Held[]> {
  const rows: Held[] = []
  for (const streams of hold) {
    for (const target of targets.filter(({ holdsStreams }) => holdsStreams)) {
      const row = await holdStreams(rig, native, target, streams)
      if (row === undefined) continue
      console.error(`bench: hold ${streams} ${target.name}: ${row.kibPerStream.toFixed(1)} KiB a stream`)
      rows.push(row)
    }
  }
  return rows
}
