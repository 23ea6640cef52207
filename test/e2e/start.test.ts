import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../testkit/eventually.ts'
import { freePort } from '../testkit/ports.ts'
import { runSample, sample } from '../testkit/samples.ts'
import { root, type Started, start, startEnv } from './start.ts'

const run = promisify(execFile)

describe('npm start without any vendor key', () => {
  let started: Started
  let env: NodeJS.ProcessEnv

  beforeAll(async () => {
    env = await startEnv()
    started = start(env)
    await started.says('Ctrl-C stops everything')
  }, 60_000)

  afterAll(async () => {
    started.child.kill('SIGINT')
    await started.exited
  })

  it('shows a streamed chat with each vendor, the time to the first token and the route', () => {
    for (const vendor of ['openai', 'anthropic', 'gemini'])
      expect(started.output()).toMatch(new RegExp(`^${vendor}/\\S+ › 你好`, 'm'))
    expect(started.output().match(/first token after \d+ ms, SDK → BFF → relay 127\.0\.0\.1:\d+ → \w+/g)).toHaveLength(
      3,
    )
    expect(started.output()).toContain('openai: sandbox, anthropic: sandbox, gemini: sandbox')
  })

  it('prints a curl that streams', async () => {
    const [, command = ''] = /^ {2}(curl .*)$/m.exec(started.output()) ?? []
    const { stdout } = await run('sh', ['-c', command])
    expect(stdout).toContain('data: {')
    expect(stdout.trimEnd().endsWith('data: [DONE]')).toBe(true)
  })

  it.each(['README.md', 'README.zh-CN.md'])('runs the samples of %s as printed', async (file) => {
    const [, key = ''] = /authorization: Bearer (\w+)/.exec(started.output()) ?? []
    const sampleEnv = { ...process.env, FERRY_URL: `http://127.0.0.1:${env.BFF_PORT}`, FERRY_KEY: key }
    const shell = await runSample(sample(file, 'sample.sh'), sampleEnv)
    expect(shell.trimEnd().endsWith('data: [DONE]')).toBe(true)
    expect(await runSample(sample(file, 'sample.ts'), sampleEnv)).toContain('你好')
  })

  it('serves the vendors’ SDKs as the README shows', async () => {
    const [, relayToken = ''] = /apiKey: '(\w+)'/.exec(started.output()) ?? []
    const sampleEnv = { ...process.env, RELAY_URL: `http://127.0.0.1:${env.RELAY_PORT}`, RELAY_TOKEN: relayToken }
    const output = await runSample(sample('README.md', 'vendor-sdks.ts'), sampleEnv)
    expect(output.match(/你好/g)).toHaveLength(3)
  })

  it('stops everything it started on Ctrl-C', async () => {
    started.child.kill('SIGINT')
    expect(await started.exited).toBe(0)
    for (const port of [env.RELAY_PORT, env.BFF_PORT]) {
      await expect(fetch(`http://127.0.0.1:${port}/health`)).rejects.toThrow()
    }
  })
})

it.each(['README.md', 'README.zh-CN.md'])('the services of %s start as printed', async (file) => {
  const [secrets = '', relay = '', bff = ''] = sample(file, 'services.sh').code.trim().split('\n')
  const [port, bffPort] = [await freePort(), await freePort()]
  const relayProcess = runService(`${secrets}\n${relay}`, { PORT: String(port), METRICS_PORT: '0' })
  const bffProcess = runService(`${secrets}\n${bff.replace('3000', String(port))}`, { PORT: String(bffPort) })
  try {
    for (const each of [port, bffPort]) await eventually('it is ready', () => isReady(each), 30_000)
  } finally {
    await Promise.all([relayProcess.stop(), bffProcess.stop()])
  }
})

function runService(script: string, env: Record<string, string>): { stop(): Promise<void> } {
  const child = spawn('bash', ['-c', script], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: 'ignore',
    detached: true,
  })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    stop: async () => {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM')
      await exited
    },
  }
}

async function isReady(port: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/ready`).catch(() => undefined)
  return response?.status === 200
}

describe('npm start with variables of the user', () => {
  it('takes all of their tokens and keys, from files too, under their own names', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ferry-start-'))
    const keys = join(folder, 'keys')
    writeFileSync(keys, 'voicebox:voicebox-key-0123456789,other:other-key-0123456789\n')
    const env = await startEnv({
      RELAY_TOKENS: 'one:token-one-0123456789,two:token-two-0123456789',
      BFF_KEYS_FILE: keys,
    })
    const started = start(env, folder)
    await started.says('Ctrl-C stops everything')
    const get = (port: string | undefined, path: string, key: string) =>
      fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization: `Bearer ${key}` } })
    for (const token of ['token-one-0123456789', 'token-two-0123456789'])
      expect((await get(env.RELAY_PORT, '/proxy/openai/v1/models', token)).status).toBe(200)
    for (const key of ['voicebox-key-0123456789', 'other-key-0123456789'])
      expect((await get(env.BFF_PORT, '/v1/models', key)).status).toBe(200)
    started.child.kill('SIGTERM')
    expect(await started.exited).toBe(0)
  })

  it('ends at once when it is told to in the middle of a chat', async () => {
    const started = start(await startEnv())
    await started.says('openai/')
    started.child.kill('SIGINT')
    const toldAt = performance.now()
    expect(await started.exited).toBe(0)
    expect(performance.now() - toldAt).toBeLessThan(8000)
    expect(started.output()).not.toContain('failed')
    expect(started.output()).not.toContain('gemini/')
  })

  it('ends with the npm that runs it', async () => {
    const env = await startEnv()
    const npm = spawn('npm', ['start'], { cwd: root, env: { ...process.env, ...env }, stdio: 'ignore', detached: true })
    await eventually('it serves', () => isReady(Number(env.BFF_PORT)), 30_000)
    npm.kill('SIGTERM')
    await eventually('nothing is left', async () => !(await isReady(Number(env.BFF_PORT))), 15_000)
    await eventually('nor the relay', async () => !(await isReady(Number(env.RELAY_PORT))), 15_000)
  })
})

describe('npm start says in one sentence what is wrong', () => {
  async function failsWith(env: NodeJS.ProcessEnv, cwd?: string): Promise<string> {
    const started = start(env, cwd)
    expect(await started.exited).not.toBe(0)
    expect(started.output().trim().split('\n')).toHaveLength(1)
    return started.output()
  }

  it('a port in use', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    expect(await failsWith(await startEnv({ BFF_PORT: String(port) }))).toContain(`BFF_PORT ${port} is in use`)
    server.close()
  })

  it('a value that is no port', async () => {
    expect(await failsWith(await startEnv({ RELAY_PORT: 'eighty' }))).toContain('RELAY_PORT must be a port')
  })

  it('a variable of a service, named as it was set', async () => {
    expect(await failsWith(await startEnv({ OPENAI_API_KEY: 'sk-x', OPENAI_UPSTREAM: 'api.openai.com' }))).toContain(
      'OPENAI_UPSTREAM',
    )
  })

  it('a line of .env that sets nothing', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ferry-start-'))
    writeFileSync(join(folder, '.env'), '# keys\nOPENAI_API_KEY: sk-x\n')
    expect(await failsWith(await startEnv(), folder)).toContain('.env line 2 is no NAME=value')
  })

  it('a value in .env', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ferry-start-'))
    writeFileSync(join(folder, '.env'), 'LOG_LEVEL=loud\n')
    expect(await failsWith(await startEnv(), folder)).toContain('LOG_LEVEL must be one of')
  })
})
