import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const run = promisify(execFile)
const sdk = fileURLToPath(new URL('..', import.meta.url))
const root = join(sdk, '..', '..')
const bin = (name: string, at = sdk) => join(at, 'node_modules', '.bin', name)

interface Manifest {
  readonly packageManager: string
  readonly exports: Record<string, Record<string, string>>
  readonly publishConfig: { readonly exports: Manifest['exports'] }
}
const manifest = async (folder: string): Promise<Manifest> =>
  JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))

describe('the published package', () => {
  let folder = ''
  let tarball = ''

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ferry-pack-'))
    await run(bin('tsc', root), ['--build', sdk])
    const { packageManager } = await manifest(root)
    await run('npx', ['--yes', packageManager, 'pack', '--pack-destination', folder], { cwd: sdk })
    tarball = join(folder, 'llm-ferry-sdk-0.0.0.tgz')
    await run('tar', ['-xzf', tarball, '-C', folder])
  }, 120_000)
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it('has every entry of the workspace’s, without the condition that is for development', async () => {
    const { exports, publishConfig } = await manifest(sdk)
    const published = (await manifest(join(folder, 'package'))).exports
    expect(published).toEqual(publishConfig.exports)
    expect(Object.keys(published)).toEqual(Object.keys(exports))
    expect(JSON.stringify(published)).not.toContain('ferry-source')
  })

  it('passes publint', async () => {
    const { stdout } = await run(bin('publint'), ['run', tarball, '--strict'])
    expect(stdout).toContain('All good!')
  }, 60_000)

  it('passes are-the-types-wrong', async () => {
    // It exits with an error when it finds a problem.
    const { stdout } = await run(bin('attw'), [tarball, '--profile', 'esm-only', '--no-color', '--no-emoji'])
    for (const entry of Object.keys((await manifest(sdk)).exports)) {
      expect(stdout).toContain(`"${join('@llm-ferry/sdk', entry)}"`)
    }
  }, 120_000)
})
