import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { eventually } from '../../../test/testkit/eventually.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const flags = ['--disable-warning=ExperimentalWarning', '--conditions=ferry-source']
const secret = '0123456789abcdef0123'
const env = {
  PATH: process.env.PATH,
  HOST: '127.0.0.1',
  PORT: '0',
  METRICS_PORT: '0',
  BFF_KEYS: `app:${secret}`,
  RELAY_URLS: 'http://127.0.0.1:1',
  RELAY_TOKEN: secret,
  RELAY_TOKENS: `app:${secret}`,
}

describe.each(['relay', 'bff'])('the %s', (name) => {
  const entry = `${root}/packages/${name}/src/main.ts`
  const left: (() => unknown)[] = []
  // A test that fails leaves nothing behind that would keep the run from ending.
  afterEach(() => left.splice(0).forEach((kill) => void kill()))

  function launch() {
    const child = spawn(process.execPath, [...flags, entry], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    left.push(() => child.kill('SIGKILL'))
    let log = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (log += text))
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
    return {
      child,
      exited,
      log: () => log,
      started: () => eventually('it starts', () => log.includes(`${name}_started`)),
    }
  }

  it('says that it has stopped', async () => {
    const { child, exited, log, started } = launch()
    await started()
    child.kill('SIGTERM')
    expect(await exited).toBe(0)
    await eventually('its last line', () => log().includes('shutdown_done'))
  })

  it('stops although nobody reads its log any more', async () => {
    const { child, exited, started } = launch()
    await started()
    child.stdout.destroy()
    child.kill('SIGTERM')
    const late = setTimeout(() => child.kill('SIGKILL'), 8000)
    expect(await exited).toBe(0)
    clearTimeout(late)
  })

  it('ends with the process that started it, when told so', async () => {
    const script = `
      const { spawn } = require('node:child_process')
      const child = spawn(process.execPath, ${JSON.stringify([...flags, entry])}, { stdio: ['ignore', 'pipe', 'ignore'] })
      child.stdout.once('data', () => console.log(child.pid))`
    const options = {
      env: { ...env, FERRY_STOP_WITH_PARENT: '1' },
      stdio: ['ignore', 'pipe', 'ignore'] as ['ignore', 'pipe', 'ignore'],
    }
    const parent = spawn(process.execPath, ['-e', script], options)
    left.push(() => parent.kill('SIGKILL'))
    const pid = await new Promise<number>((resolve) =>
      parent.stdout.once('data', (text) => resolve(Number(String(text)))),
    )
    left.push(() => isAlive(pid) && process.kill(pid, 'SIGKILL'))
    parent.kill('SIGKILL')
    await eventually('it is gone', () => !isAlive(pid), 10_000)
  })
})

it('a service that drains goes on when its parent ends meanwhile', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ferry-shutdown-'))
  const file = join(folder, 'log')
  const written = (): string => (existsSync(file) ? readFileSync(file, 'utf8') : '')
  const service = `
    import { appendFileSync } from 'node:fs'
    import { createLogger, stopOnSignal } from '${root}/packages/kit/src/index.ts'
    const log = createLogger('test', 'info', { write: (line) => appendFileSync('${file}', line) })
    setInterval(() => {}, 1000)
    stopOnSignal({ stop: () => new Promise((resolve) => setTimeout(resolve, 2000)) }, log)
    log.info('ready')`
  const parent = spawn(
    process.execPath,
    [
      '-e',
      `const { spawn } = require('node:child_process')
      const args = ${JSON.stringify([...flags, '--input-type=module', '-e', service])}
      console.log(spawn(process.execPath, args, { stdio: 'ignore' }).pid)`,
    ],
    { env: { ...env, FERRY_STOP_WITH_PARENT: '1' }, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  try {
    const pid = await new Promise<number>((resolve) => parent.stdout?.once('data', (text) => resolve(Number(text))))
    await eventually('it is ready', () => written().includes('ready'))
    process.kill(pid, 'SIGTERM')
    parent.kill('SIGKILL')
    await eventually('it is gone', () => !isAlive(pid), 10_000)
    expect(written()).toContain('shutdown_done')
    expect(written()).not.toContain('shutdown_forced')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
