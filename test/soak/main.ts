// The long form of the soak: SOAK_SECONDS (default 1800) of mixed load on a relay and, beside it, on the whole chain from
// the SDK over a line that breaks. Prints figures; exit code 1 on complaints.
import { startChainSoak } from './chain.ts'
import { startRelaySoak } from './relay.ts'
import { complaints, runSoak } from './watch.ts'

const seconds = Number(process.env.SOAK_SECONDS ?? 1800)
const soaks = await Promise.all([startRelaySoak(), startChainSoak()])
const reports = await Promise.all(soaks.map((soak) => runSoak(soak, seconds)))
for (const { processes, ...figures } of reports) {
  for (const { name, samples, ...growth } of processes) {
    const every = Math.max(1, Math.floor(samples.length / 20))
    console.log(name)
    for (const { second, rssMiB, descriptors } of samples.filter((_, index) => index % every === 0)) {
      console.log(
        `${second.toFixed(0).padStart(6)} s  ${rssMiB.toFixed(1).padStart(7)} MiB  ${descriptors} descriptors`,
      )
    }
    console.log(growth)
  }
  console.log(figures)
}
const found = reports.flatMap(complaints)
for (const complaint of found) console.error(`soak: ${complaint}`)
process.exitCode = found.length > 0 ? 1 : 0
