// The long form of the soak: SOAK_SECONDS (default 600) of mixed load, a line of figures, exit code 1 on complaints.
import { complaints, soak } from './soak.ts'

const report = await soak(Number(process.env.SOAK_SECONDS ?? 600))
const { samples, ...figures } = report
const every = Math.max(1, Math.floor(samples.length / 20))
for (const { second, rssMiB, descriptors } of samples.filter((_, index) => index % every === 0)) {
  console.log(`${second.toFixed(0).padStart(5)} s  ${rssMiB.toFixed(1).padStart(7)} MiB  ${descriptors} descriptors`)
}
console.log(figures)
const found = complaints(report)
for (const complaint of found) console.error(`soak: ${complaint}`)
process.exitCode = found.length > 0 ? 1 : 0
