import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import OpenAI, { toFile } from 'openai'
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

  describe('has a sandbox that every example works with', () => {
    const openai = () => {
      const [, apiKey = ''] = /authorization: Bearer (\w+)/.exec(started.output()) ?? []
      return new OpenAI({ baseURL: `http://127.0.0.1:${env.BFF_PORT}/v1`, apiKey, maxRetries: 0 })
    }
    const parameters = {
      type: 'object',
      properties: { city: { type: 'string' }, days: { type: 'integer' } },
      required: ['city', 'days'],
      additionalProperties: false,
    }
    const models = ['openai/gpt-5.4-mini', 'anthropic/claude-haiku-4-5', 'gemini/gemini-3.5-flash']

    it.each(models)('%s is told what its tool has found, with ids and usage', async (model) => {
      const tools = [{ type: 'function' as const, function: { name: 'forecast', parameters } }]
      const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'How is the weather?' }]
      const first = await openai().chat.completions.stream({ model, messages, tools }).finalChatCompletion()
      const [call] = first.choices[0]?.message.tool_calls ?? []
      if (call?.type !== 'function') throw new Error('no tool was called')
      expect(first.choices[0]?.finish_reason).toBe('tool_calls')
      const hasSchemas = !model.startsWith('gemini')
      const args = hasSchemas ? { city: expect.any(String), days: expect.any(Number) } : {}
      expect(JSON.parse(call.function.arguments)).toEqual(args)
      messages.push(first.choices[0]!.message, { role: 'tool', tool_call_id: call.id, content: 'rain and wind' })
      const second = await openai().chat.completions.create({ model, messages, tools })
      expect(second.choices[0]).toMatchObject({ finish_reason: 'stop', message: { role: 'assistant' } })
      expect(second.choices[0]?.message.content).toContain('rain and wind')
      for (const { id } of [first, second]) expect(id).not.toBe('')
      expect(second.usage?.prompt_tokens).toBeGreaterThan(10)
      expect(second.usage?.completion_tokens).toBeGreaterThan(5)
    })

    it('gives objects of a schema', async () => {
      const json_schema = { name: 'trip', strict: true, schema: parameters }
      const { choices } = await openai().chat.completions.create({
        model: 'openai/gpt-5.4-mini',
        messages: [{ role: 'user', content: 'Where to?' }],
        response_format: { type: 'json_schema', json_schema },
      })
      expect(JSON.parse(choices[0]?.message.content ?? '')).toEqual({
        city: expect.any(String),
        days: expect.any(Number),
      })
    })

    it.each(['openai/text-embedding-3-small', 'gemini/gemini-embedding-001'])('%s embeds', async (model) => {
      const { data } = await openai().embeddings.create({ model, input: ['one', 'two'], dimensions: 256 })
      expect(data.map(({ embedding }) => embedding.length)).toEqual([256, 256])
      expect(data[0]?.embedding).not.toEqual(data[1]?.embedding)
    })

    it('speaks, hears and draws', async () => {
      const { audio, images } = openai()
      const spoken = await audio.speech.create({ model: 'openai/gpt-4o-mini-tts', voice: 'alloy', input: 'Hi' })
      const sound = Buffer.from(await spoken.arrayBuffer())
      expect(sound.toString('latin1', 0, 4)).toBe('RIFF')
      const file = await toFile(sound, 'hi.wav')
      const { text } = await audio.transcriptions.create({ model: 'openai/gpt-4o-mini-transcribe', file })
      expect(text).toContain('沙箱')
      const { data } = await images.generate({ model: 'openai/gpt-image-1', prompt: 'A ferry' })
      expect(data?.[0]?.b64_json).toMatch(/^iVBOR/)
    })
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
