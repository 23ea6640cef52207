import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root, run, sdk } from './project.ts'

it('packages/sdk/REFERENCE.md is what the types say; write it with `node tools/sdk-reference.ts`', async () => {
  await run(join(root, 'node_modules/.bin/tsc'), ['--build', sdk], root)
  // Only now are its declarations there.
  const { sdkReference } = await import('../../tools/sdk-reference.ts')
  const text = sdkReference()
  expect(readFileSync(join(sdk, 'REFERENCE.md'), 'utf8') === text, 'it is out of date').toBe(true)
  for (const name of ['createFerry', 'ChatStream', 'FerryOptions', 'openai', 'createLink'])
    expect(text).toContain(`### ${name}\n`)
})
