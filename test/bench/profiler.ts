// Preloaded into a target that is profiled: SIGUSR2 starts the sampling, a second one writes the profile. `--cpu-prof` and
// `--heap-prof` would count the start and the compilers' warming up too.
import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'

const { BENCH_PROFILE = 'bench.profile', BENCH_PROFILE_OF = 'time' } = process.env

const session = new Session()
session.connect()
const write = (_: unknown, { profile }: { readonly profile: object }): void =>
  writeFileSync(BENCH_PROFILE, JSON.stringify(profile))

const sampling =
  BENCH_PROFILE_OF === 'time'
    ? {
        start: () => {
          session.post('Profiler.enable')
          session.post('Profiler.setSamplingInterval', { interval: 400 })
          session.post('Profiler.start')
        },
        stop: () => session.post('Profiler.stop', write),
      }
    : {
        // What was collected meanwhile is what makes the garbage.
        start: () =>
          session.post('HeapProfiler.startSampling', {
            samplingInterval: 16_384,
            includeObjectsCollectedByMajorGC: true,
            includeObjectsCollectedByMinorGC: true,
          }),
        stop: () => session.post('HeapProfiler.stopSampling', write),
      }

process.once('SIGUSR2', () => {
  sampling.start()
  process.once('SIGUSR2', sampling.stop)
})
