import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { root } from '../e2e/start.ts'
import { json } from '../testkit/dialects.ts'
import { chunk, delay, fin, hang, head, lastChunk, raw, reset } from '../testkit/scripted-vendor.ts'
import {
  type Chain,
  type Ended,
  inTurn,
  npmStart,
  refusal,
  run,
  scriptedChain,
  scriptedServer,
  streamOf,
} from './rig.ts'

const folder = mkdtempSync(join(tmpdir(), 'voicebox-java-'))
const classes = join(folder, 'classes')
const example = join(root, 'examples/voicebox-java')

beforeAll(async () => {
  // Compiles; without a key it says what is missing.
  const { output } = await run('./run.sh', [], { cwd: example, env: { VOICEBOX_OUT: classes, FERRY_KEY: '' } })
  expect(output).toContain('缺少 llm.proxy.api-key')
}, 60_000)

afterAll(() => rmSync(folder, { recursive: true }))

/** Runs the compiled example against a chain, with retries and a time limit of the test's choosing. */
function voicebox(
  { env }: Pick<Chain, 'env'>,
  mode: string,
  { provider = 'openai', maxRetries = 1, timeoutMs = 20_000, onOutput = (_: string): void => {} } = {},
): Promise<Ended> {
  const config = [
    `llm.proxy.base-url=${env.FERRY_URL}`,
    `llm.proxy.api-key=${env.FERRY_KEY}`,
    `llm.proxy.timeout=${timeoutMs}`,
    `llm.proxy.max-retries=${maxRetries}`,
  ]
  writeFileSync(join(folder, 'config.properties'), config.join('\n'))
  const args = [
    '-Xshare:auto',
    '-XX:TieredStopAtLevel=1',
    '-cp',
    classes,
    'com.example.voicebox.app.device.llm.VoiceBox',
  ]
  return run('java', [...args, mode], { cwd: folder, env: { PROVIDER: provider, MODEL: 'any-model' }, onOutput })
}

describe('voicebox-java against npm start', () => {
  const started = npmStart()

  it('prints the answer in one command', async () => {
    const env = { ...started.env, VOICEBOX_OUT: classes }
    const { code, output } = await run('./run.sh', ['chat', '你好'], { cwd: example, env })
    expect(output).toContain('你好，我是沙箱里的模型。 Hello')
    expect(code).toBe(0)
  })

  it.each(['openai', 'anthropic', 'gemini'])('streams from %s', async (provider) => {
    const { output } = await voicebox(started, 'stream', { provider })
    expect(output).toContain('你好，我是沙箱里的模型。 Hello')
  })

  it('speaks sentence by sentence', async () => {
    const { output } = await voicebox(started, 'speak')
    const [first, ...others] = output.trim().split('\n')
    expect(first).toBe('♪ 你好，我是沙箱里的模型。')
    expect(others.length).toBeGreaterThan(0)
  })

  it('tells a wrong key', async () => {
    const { code, output } = await voicebox({ env: { ...started.env, FERRY_KEY: 'nobody' } }, 'chat')
    expect(output).toContain('[authentication_failed]')
    expect(code).toBe(1)
  })
})

const ANSWER = JSON.stringify({
  model: 'gpt-x',
  choices: [{ message: { role: 'assistant', content: '"你好" \\ \u{1F6A2}\n再见' }, finish_reason: 'stop' }],
})
const answer = json(ANSWER)

describe('voicebox-java at a server that does what it should not', () => {
  const server = scriptedServer()

  it('sends the key, the user and the time left, and reads any text', async () => {
    server.vendor.script = inTurn(answer)
    const { output } = await voicebox(server, 'chat')
    expect(output).toBe('"你好" \\ \u{1F6A2}\n再见\n')
    const { target, body, header } = server.vendor.only
    expect(target).toBe('/proxy/openai/chat/completions')
    expect(JSON.parse(body.toString())).toMatchObject({ model: 'any-model', stream: false })
    const name = header.bind(server.vendor.only)
    expect(name('authorization')).toBe(`Bearer ${server.env.FERRY_KEY}`)
    expect(decodeURIComponent(name('x-ferry-user') ?? '')).toBe('设备-001')
    expect(Number(name('x-ferry-timeout-ms'))).toBeGreaterThan(15_000)
  })

  it('waits as long as Retry-After says, and succeeds', async () => {
    server.vendor.script = inTurn(refusal(429, 'rate_limit_exceeded', [['retry-after', '2']]), answer)
    expect((await voicebox(server, 'chat')).code).toBe(0)
    const [first, second] = server.vendor.requests
    expect(second!.startedAt - first!.startedAt).toBeGreaterThanOrEqual(2000)
  })

  it('does not knock at a quota that is used up', async () => {
    server.vendor.script = inTurn(refusal(429, 'quota_exceeded', [['x-should-retry', 'false']]))
    const { code, output } = await voicebox(server, 'stream')
    expect(output).toContain('[quota_exceeded] 请求过于频繁（told quota_exceeded）')
    expect({ code, requests: server.vendor.requests.length }).toEqual({ code: 2, requests: 1 })
  })

  it('does not wait beyond its own deadline', async () => {
    server.vendor.script = inTurn(refusal(429, 'rate_limit_exceeded', [['retry-after', '50']]))
    expect((await voicebox(server, 'chat')).code).toBe(2)
    expect(server.vendor.requests).toHaveLength(1)
  })

  it('repeats what is overloaded, as often as it may, and no fault of the server', async () => {
    server.vendor.script = inTurn(refusal(503, 'overloaded'))
    expect((await voicebox(server, 'chat')).output).toContain('[overloaded]')
    expect(server.vendor.requests).toHaveLength(2)
    server.vendor.clear()
    server.vendor.script = inTurn(refusal(500, 'internal_error', [['x-should-retry', 'false']]))
    expect((await voicebox(server, 'chat')).output).toContain('[internal_error]')
    expect(server.vendor.requests).toHaveLength(1)
  })

  it('tells a page that is not ours', async () => {
    server.vendor.script = inTurn([head(500, [['content-length', '5']]), raw('<p>no')])
    expect((await voicebox(server, 'chat')).output).toContain('[http_500]')
  })

  it('gives up in time, and leaves', async () => {
    server.vendor.script = inTurn([hang()])
    const { output } = await voicebox(server, 'chat', { timeoutMs: 800 })
    expect(output).toContain('[upstream_timeout]')
    await server.vendor.only.closed
    expect(server.vendor.requests).toHaveLength(1)
  })

  it.each([
    ['a reset', reset()],
    ['the end of the connection', fin()],
    ['the end of the body', lastChunk()],
    ['an error event', chunk('data: {"error":{"code":"upstream_truncated","message":"cut"}}\n\n')],
  ])('never takes a stream cut by %s for complete', async (_, ending) => {
    server.vendor.script = inTurn([...streamOf('你', '好'), ending])
    const { code, output } = await voicebox(server, 'stream')
    expect(output).toContain('[upstream_truncated]')
    expect({ code, requests: server.vendor.requests.length }).toEqual({ code: 1, requests: 1 })
  })
})

describe('voicebox-java over the whole chain', () => {
  const chain = scriptedChain()

  it('tells an answer that the vendor cut', async () => {
    chain.vendor.script = inTurn([...streamOf('你', '好'), delay(200), reset()])
    const { output } = await voicebox(chain, 'stream')
    expect(output).toMatch(/^你/)
    expect(output).toContain('[upstream_truncated]')
  })

  it('ends the vendor’s call within a second when the user interrupts', async () => {
    chain.vendor.script = inTurn([...streamOf('今天天气很好。', '适合', '去'), hang()])
    let interruptedAt = 0
    const { code, output } = await voicebox(chain, 'interrupt', {
      onOutput: (text) => {
        if (interruptedAt === 0 && text.includes('♪')) interruptedAt = performance.now()
      },
    })
    expect(output).toBe('♪ 今天天气很好。\n（已打断）\n')
    expect(code).toBe(0)
    expect((await chain.vendor.only.closed).at - interruptedAt).toBeLessThan(1000)
  })
})
