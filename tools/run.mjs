// Runs one of package.json's tasks on a machine that has only Node >= 20 and npm: installs what is missing, then hands
// over to Node 24. Plain JavaScript without dependencies, because it runs before anything is installed.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { install, node24, Refusal } from './install.mjs'
import { installSystemPackages } from './system.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const bin = join(root, 'node_modules', '.bin')
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']
const PARENT_POLL_MS = 500

/** A step is an argv (the first word a file of ours for `ts`, a package's bin for `bin`) or the name of another task. */
const ts = (file, ...args) => ({ kind: 'ts', file, args })
const tool = (name, ...args) => ({ kind: 'bin', name, args })
const task = (name) => ({ kind: 'task', name })

/** What deploy's monitoring and scripts are tested with. */
const OPERATED_WITH = [
  'shellcheck',
  'gpg',
  'prometheus',
  'prometheus-alertmanager',
  ...['node', 'redis', 'nginx', 'blackbox'].map((name) => `prometheus-${name}-exporter`),
]
/** What the tests run besides Node. */
const TESTED_WITH = [
  'nginx',
  'redis-server',
  'openssl',
  'certbot',
  'pebble',
  'shellcheck',
  'systemd-analyze',
  'javac',
  'mvn',
  'python3',
  'chromium',
  'espeak-ng',
  'yamllint',
  ...OPERATED_WITH,
]

/** What deploy is tested with in any case. */
const DEPLOYED_WITH = ['nginx', 'openssl', 'redis-server', 'certbot', 'pebble', 'shellcheck', 'systemd-analyze']

const TASKS = {
  start: { steps: [ts('tools/start/main.ts')] },
  relay: { steps: [ts('packages/relay/src/main.ts')] },
  bff: { steps: [ts('packages/bff/src/main.ts')] },
  ferry: { steps: [ts('packages/sdk/src/cli/main.ts')] },
  test: { system: TESTED_WITH, steps: [tool('vitest', 'run', '--coverage')] },
  'test:clients': { system: ['openssl'], steps: [tool('vitest', 'run', '--project', 'clients')] },
  'test:soak': { steps: [ts('test/soak/main.ts')] },
  'test:border': { steps: [tool('vitest', 'run', '--project', 'border', '--mode', 'long')] },
  'test:deploy': {
    system: [...DEPLOYED_WITH, 'yamllint', 'python3', 'bwrap', 'ip'],
    steps: [
      tool('vitest', 'run', '--mode', 'docker', ...['deploy', 'stacks', 'pods'].flatMap((name) => ['--project', name])),
    ],
  },
  lint: { steps: [tool('biome', 'check', '--error-on-warnings', '.'), tool('knip')] },
  format: { steps: [tool('biome', 'check', '--write', '.')] },
  types: { steps: [tool('tsc', '--build')] },
  build: { steps: [tool('tsc', '--build', 'packages/sdk', 'packages/kit', 'packages/relay', 'packages/bff')] },
  check: { steps: [task('lint'), task('types'), task('test')] },
  bench: { system: ['nginx', 'redis-server', 'wrk', 'gcc'], steps: [ts('test/bench/main.ts')] },
  'bench:link': { system: ['ip', 'nginx', 'gcc'], steps: [ts('test/bench/link/main.ts')] },
}

async function runTask(name, args) {
  const { system = [], steps } = TASKS[name]
  installSystemPackages(system)
  for (const [i, step] of steps.entries()) {
    const extra = i === steps.length - 1 ? args : []
    const code = step.kind === 'task' ? await runTask(step.name, extra) : await runStep(step, extra)
    if (code !== 0) return code
  }
  return 0
}

function runStep(step, extra) {
  const node = node24(root)
  const argv =
    step.kind === 'ts'
      ? [
          node,
          '--disable-warning=ExperimentalWarning',
          '--conditions=ferry-source',
          join(root, step.file),
          ...step.args,
          ...extra,
        ]
      : [join(bin, step.name), ...step.args, ...extra]
  if (step.kind === 'bin' && !existsSync(argv[0]))
    throw new Refusal(`node_modules has no ${step.name}; delete node_modules and run again`)
  const env = { ...process.env, PATH: [dirname(node), bin, process.env.PATH].join(delimiter) }
  const child = spawn(argv[0], argv.slice(1), { stdio: 'inherit', cwd: root, env })
  // A terminal's Ctrl-C reaches the child as well. Other signals reach npm, whose shell dies without passing them on: the
  // only trace of that is a new parent.
  const forward = (signal) => child.kill(signal)
  for (const signal of SIGNALS) process.on(signal, forward)
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid !== parent) forward('SIGTERM')
  }, PARENT_POLL_MS)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      clearInterval(watch)
      for (const s of SIGNALS) process.off(s, forward)
      resolve(signal ? 1 : (code ?? 1))
    })
  })
}

const [name = '', ...args] = process.argv.slice(2)
try {
  if (!Object.hasOwn(TASKS, name))
    throw new Refusal(`unknown task "${name}"; there are: ${Object.keys(TASKS).join(', ')}`)
  await install(root)
  process.exitCode = await runTask(name, args)
} catch (error) {
  if (!(error instanceof Refusal)) throw error
  console.error(`llm-ferry: ${error.message}`)
  process.exitCode = 1
}
