import { spawn } from 'node:child_process'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { root, SOURCE_FLAGS, type Started, start, startEnv } from './start.ts'

let started: Started
let env: NodeJS.ProcessEnv

beforeAll(async () => {
  const ports = await startEnv()
  started = start(ports)
  await started.says('Ctrl-C stops everything')
  const [, ferryKey] = /authorization: Bearer (\w+)/.exec(started.output()) ?? []
  const [, relayToken] = /apiKey: '(\w+)'/.exec(started.output()) ?? []
  env = {
    ...process.env,
    FERRY_URL: `http://127.0.0.1:${ports.BFF_PORT}`,
    FERRY_KEY: ferryKey,
    RELAY_URL: `http://127.0.0.1:${ports.RELAY_PORT}`,
    RELAY_TOKEN: relayToken,
  }
}, 60_000)

afterAll(async () => {
  started.child.kill('SIGINT')
  await started.exited
})

/** Runs an example with lines typed into it; returns what it said. */
function example(file: string, lines: readonly string[] = []): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [...SOURCE_FLAGS, `${root}/examples/${file}`], { env, stdio: 'pipe' })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stdin.end(lines.map((line) => `${line}\n`).join(''))
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })))
}

it('node-chat answers each line and ends with an empty one', async () => {
  const { code, output } = await example('node-chat/chat.ts', ['Hello', 'And again', ''])
  expect(output.match(/Hello from the sandbox/g)).toHaveLength(2)
  expect(code).toBe(0)
})

it('node-chat says what is wrong with a key', async () => {
  env = { ...env, FERRY_KEY: 'no-such-key-0123456789' }
  const { output } = await example('node-chat/chat.ts', ['Hello', ''])
  expect(output).toContain('[authentication_failed]')
})

it('vendor-sdks reaches each vendor through the relay', async () => {
  const { code, output } = await example('vendor-sdks/main.ts')
  expect(code, output).toBe(0)
  expect(output.match(/Hello from the sandbox/g)).toHaveLength(4)
})
