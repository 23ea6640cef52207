import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { SOURCE_FLAGS } from '../e2e/start.ts'
import { chunk, hang } from '../testkit/scripted-vendor.ts'
import { type Ended, inTurn, npmStart, type RunOptions, run, scriptedChain, streamOf } from './rig.ts'

/** Runs an example in TypeScript. */
const example = (file: string, options: RunOptions = {}, args: readonly string[] = []): Promise<Ended> =>
  run(process.execPath, [...SOURCE_FLAGS, `examples/${file}`, ...args], options)

describe('against npm start', () => {
  const started = npmStart()

  it('node-chat answers each line and ends with an empty one', async () => {
    const { code, output } = await example('node-chat/chat.ts', { env: started.env, input: 'Hello\nAnd again\n\n' })
    expect(output.match(/Hello from the sandbox/g)).toHaveLength(2)
    expect(code).toBe(0)
  })

  it('node-chat says what is wrong with a key', async () => {
    const env = { ...started.env, FERRY_KEY: 'no-such-key-0123456789' }
    const { output } = await example('node-chat/chat.ts', { env, input: 'Hello\n\n' })
    expect(output).toContain('[authentication_failed]')
  })

  it('vendor-sdks reaches each vendor through the relay', async () => {
    const { code, output } = await example('vendor-sdks/main.ts', { env: started.env })
    expect(code, output).toBe(0)
    expect(output.match(/Hello from the sandbox/g)).toHaveLength(4)
  })

  it('voice-assistant turns each sentence into sound, in order', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'voice-assistant-'))
    const { code, output } = await example('voice-assistant/main.ts', { env: { ...started.env, SPEECH_DIR: folder } })
    expect(code, output).toBe(0)
    const sentences = [...output.matchAll(/^\d+ ms {2}(?![♪(])(.*)$/gm)].map(([, sentence]) => sentence)
    expect(sentences[0]).toBe('你好，我是沙箱里的模型。')
    const files = readdirSync(folder)
    expect(files).toHaveLength(sentences.length)
    for (const file of files) expect(readFileSync(join(folder, file)).subarray(0, 4).toString()).toBe('RIFF')
    rmSync(folder, { recursive: true })
  })

  it('voice-assistant speaks without an engine too', async () => {
    const { output } = await example('voice-assistant/main.ts', {
      env: { ...started.env, PATH: '/nowhere', SPEECH_DIR: join(tmpdir(), 'voice-assistant-mute') },
    })
    expect(output).toContain('你好，我是沙箱里的模型。')
    expect(output).not.toContain('♪')
  })
})

describe('over the whole chain', () => {
  const chain = scriptedChain()

  it('voice-assistant speaks the first sentence while the rest is not there yet, and tells a cut', async () => {
    chain.vendor.script = inTurn([
      ...streamOf('今天天气很好。', '适合'),
      async () => void (await spoken),
      chunk('data: {"error":{"message":"cut"}}\n\n'),
      hang(),
    ])
    let heard: () => void = () => {}
    const spoken = new Promise<void>((resolve) => {
      heard = resolve
    })
    const { code, output } = await example('voice-assistant/main.ts', {
      env: {
        ...chain.env,
        MODEL: 'openai/any-model',
        PATH: '/nowhere',
        SPEECH_DIR: join(tmpdir(), 'voice-assistant-mute'),
      },
      onOutput: (text) => {
        if (text.includes('今天天气很好。')) heard()
      },
    })
    expect(output).toMatch(/\[\w+\]/)
    expect(code).toBe(1)
  })
})
