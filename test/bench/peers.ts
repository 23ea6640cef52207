import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram, type Rig } from './rig.ts'

/** A peer that cannot be had on this machine. */
export class Unavailable extends Error {}

/**
 * Installs npm packages at pinned versions into the cache, once.
 *
 * @param manifest dependencies and overrides of a package.json.
 * @returns the folder.
 */
export function installFromNpm({ cache }: Rig, name: string, manifest: object): string {
  return once(join(cache, name), JSON.stringify(manifest), (folder) => {
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, ...manifest }, undefined, 2))
    run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], folder)
  })
}

/** Installs a Python package at a pinned version into an environment of its own in the cache, once. */
export function installFromPyPi({ cache }: Rig, name: string, requirement: string): string {
  if (findProgram('python3') === undefined) throw new Unavailable('there is no python3')
  return once(join(cache, name), requirement, (folder) => {
    run('python3', ['-m', 'venv', folder], cache)
    run(join(folder, 'bin', 'pip'), ['install', '--quiet', '--disable-pip-version-check', requirement], folder)
  })
}

function once(folder: string, what: string, install: (folder: string) => void): string {
  const stamp = join(folder, '.installed')
  if (existsSync(stamp)) return folder
  console.error(`bench: installing ${what} …`)
  mkdirSync(folder, { recursive: true })
  install(folder)
  writeFileSync(stamp, what)
  return folder
}

function run(command: string, args: string[], cwd: string): void {
  // What npm tells the scripts it runs would point a nested npm at the wrong folder.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([key]) => !/^npm_(package|lifecycle|config_local)/.test(key)),
  )
  const { status, stderr, error } = spawnSync(command, args, { cwd, env, encoding: 'utf8', timeout: 600_000 })
  if (status === 0) return
  const reason = (stderr ?? '').trim().split('\n').pop() || error?.message || `exit code ${status}`
  throw new Unavailable(`${command} ${args[0]} failed: ${reason}`)
}
