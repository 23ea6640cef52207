import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { BFF_KEY, startClientChain, VECTOR, WEATHER } from '../clients/bff/rig.ts'
import { type Ended, isRegistryAway, npmStart, run } from './rig.ts'

// What the example's first run counts at each vendor is all that there is for the day.
const started = npmStart({ DAILY_QUOTA: '2' })
const out = mkdtempSync(join(tmpdir(), 'java-openai-'))
let chain: Awaited<ReturnType<typeof startClientChain>>

beforeAll(async () => {
  chain = await startClientChain()
}, 60_000)
afterAll(async () => {
  await chain?.stop()
  rmSync(out, { recursive: true })
})

const java = (args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> =>
  run('examples/java-openai/run.sh', args, { env: { ...env, EXAMPLE_OUT: out } })

it('java-openai talks with each vendor through the unchanged package, and is told by our codes', async ({ skip }) => {
  const { code, output } = await java(['chat', '你好'], started.env)
  if (code !== 0 && isRegistryAway(output)) skip(`Maven cannot get what it needs: ${output.slice(0, 300)}`)
  expect(code, output).toBe(0)
  for (const vendor of ['openai', 'anthropic', 'gemini'])
    expect(output).toMatch(new RegExp(`^${vendor}/\\S+ › 你好，我是沙箱里的模型。.*\\(\\d+ tokens\\)$`, 'm'))
  expect(output).toContain('whole › 你好')
  expect(output).toMatch(/models › [1-9]/)

  const refused = await java(['chat', '你好'], started.env)
  expect(refused.output).toContain('[quota_exceeded] slow down')
  expect(refused.code).toBe(1)
  const unknown = await java([], { ...started.env, FERRY_KEY: 'nobody' })
  expect(unknown.output).toContain('[authentication_failed]')
}, 180_000)

it('java-openai uses a tool over two turns with each vendor, and embeds', async ({ skip }) => {
  const env = { FERRY_URL: chain.origin, FERRY_KEY: BFF_KEY }
  for (const model of ['openai/gpt-4o', 'anthropic/claude-opus-5', 'gemini/gemini-2.5-flash']) {
    const { code, output } = await java(['tools', model], env)
    if (code !== 0 && isRegistryAway(output)) skip(`Maven cannot get what it needs: ${output.slice(0, 300)}`)
    expect(output).toContain('tool › weather Köln')
    expect(output).toContain(`answer › ${WEATHER}`)
  }
  expect((await java(['embed'], env)).output).toContain(`dimensions › ${VECTOR.length}`)
}, 180_000)
