import { expect, it } from 'vitest'
import { isRegistryAway, npmStart, run } from './rig.ts'

const started = npmStart()
const example = 'examples/python-openai/run.sh'

it('python-openai talks with each vendor through the unchanged package', async ({ skip }) => {
  const { code, output } = await run(example, ['你好'], { env: started.env })
  if (code !== 0 && isRegistryAway(output)) skip(`pip cannot get what it needs: ${output.slice(0, 300)}`)
  expect(code, output).toBe(0)
  for (const vendor of ['openai', 'anthropic', 'gemini'])
    expect(output).toMatch(new RegExp(`^${vendor}/\\S+ › 你好，我是沙箱里的模型。.*\\(\\d+ tokens\\)$`, 'm'))
  expect(output).toContain('whole › 你好')
  expect(output).toMatch(/models › [1-9]/)
}, 180_000)

it('python-openai tells a wrong key by our code', async ({ skip }) => {
  const { code, output } = await run(example, [], { env: { ...started.env, FERRY_KEY: 'nobody' } })
  if (isRegistryAway(output)) skip('pip cannot get what it needs')
  expect(output).toContain('[authentication_failed]')
  expect(code).toBe(1)
})
