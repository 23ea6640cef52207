// Preloaded into a target that is profiled: SIGUSR2 starts the sampling, a second one writes the profile. `--cpu-prof`
// would count the start and the compilers' warming up too.
import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'

const session = new Session()
session.connect()
session.post('Profiler.enable')
session.post('Profiler.setSamplingInterval', { interval: 400 })

process.once('SIGUSR2', () => {
  session.post('Profiler.start')
  process.once('SIGUSR2', () => {
    session.post('Profiler.stop', (_, { profile }) => {
      writeFileSync(process.env.BENCH_PROFILE ?? 'bench.cpuprofile', JSON.stringify(profile))
    })
  })
})
