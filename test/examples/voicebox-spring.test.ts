import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { root } from '../e2e/start.ts'
import { isRegistryAway, npmStart, run } from './rig.ts'

const started = npmStart()
const folder = mkdtempSync(join(tmpdir(), 'voicebox-spring-'))
const jar = join(folder, 'voicebox-spring-1.0.0.jar')

afterAll(() => rmSync(folder, { recursive: true }))

it('voicebox-spring passes its own tests, against npm start too, and answers', async ({ skip }) => {
  const maven = ['-B', '-q', '-ntp', '-f', join(root, 'examples/voicebox-spring'), `-Dvoicebox.out=${folder}`]
  const { code, output } = await run('mvn', [...maven, 'package'], { env: started.env })
  if (code !== 0 && isRegistryAway(output)) skip(`Maven cannot get what it needs: ${output.slice(0, 300)}`)
  expect(code, output).toBe(0)
  const answer = await run('java', ['-jar', jar, '--provider=gemini', '--question=你好'], { env: started.env })
  expect(answer.output).toContain('你好，我是沙箱里的模型。 Hello')
  const refused = await run('java', ['-jar', jar], { env: { ...started.env, FERRY_KEY: 'nobody' } })
  expect(refused.output).toContain('[authentication_failed]')
}, 300_000)
