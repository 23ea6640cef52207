import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** Runs a start that does `work`, in a process of its own, since it exits. */
function startWith(work: string): { readonly status: number | null; readonly stderr: string } {
  const code = `import { runMain } from './packages/kit/src/main.ts'; await runMain('bff', { start: async () => { ${work} } }, [])`
  const args = ['--disable-warning=ExperimentalWarning', '--conditions=ferry-source', '--input-type=module', '-e', code]
  return spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
}

describe('a start that fails', () => {
  it('for a package that is missing says to install anew', () => {
    const { status, stderr } = startWith(`await import('no-such-package-of-ours/part')`)
    expect(status).toBe(1)
    expect(stderr).toBe(
      'bff: node_modules is incomplete: delete it and run again (no-such-package-of-ours is missing)\n',
    )
  })

  it('for a file of ours that is missing keeps the stack', () => {
    const { stderr } = startWith(`await import('./no-such-file.ts')`)
    expect(stderr).toContain('ERR_MODULE_NOT_FOUND')
    expect(stderr).not.toContain('node_modules is incomplete')
  })

  it('for another name that is not found does not blame HOST', () => {
    const { stderr } = startWith(`throw Object.assign(new Error('no redis'), { code: 'ENOTFOUND', hostname: 'redis' })`)
    expect(stderr).toContain('no redis')
    expect(stderr).not.toContain('HOST')
  })
})

it.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('a start that gets %s ends at once', (signal, status) => {
  // A container's first process has no default action for signals; elsewhere the exit code shows who ended it.
  expect(
    startWith(`process.kill(process.pid, '${signal}'); await new Promise((resolve) => setTimeout(resolve, 20_000))`),
  ).toMatchObject({ status })
})

it.each([
  ['relay', 'zod'],
  ['relay', 'pino'],
  ['bff', 'koa'],
  ['bff', 'pino'],
])('the %s says so when %s is not installed', (service, name) => {
  const hook = `import { registerHooks } from 'node:module'
    registerHooks({ resolve: (name, context, next) => next(name === '${name}' ? 'not-installed' : name, context) })`
  const flags = ['--disable-warning=ExperimentalWarning', '--conditions=ferry-source']
  const args = [
    ...flags,
    `--import=data:text/javascript,${encodeURIComponent(hook)}`,
    `packages/${service}/src/main.ts`,
  ]
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', env: {} })
  expect(status).toBe(1)
  expect(stderr).toBe(`${service}: node_modules is incomplete: delete it and run again (not-installed is missing)\n`)
})
