import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const execute = promisify(execFile)
export const root: string = fileURLToPath(new URL('../..', import.meta.url))
export const sdk: string = join(root, 'packages/sdk')

interface Manifest {
  readonly version: string
  readonly packageManager: string
  readonly devDependencies: Readonly<Record<string, string>>
}
const manifest = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
const { packageManager, devDependencies } = manifest(root)

/** What a program printed. */
export interface Printed {
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program; what it printed is in the error when it fails. */
export async function run(file: string, args: readonly string[], cwd: string, env = process.env): Promise<Printed> {
  try {
    return await execute(file, args, { cwd, env, maxBuffer: 64 * 1024 * 1024 })
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & Partial<Printed>
    throw new Error(`${message}\n${stdout}\n${stderr}`)
  }
}

/** A project of somebody who installed the packed SDK with npm, somewhere else on the disk. */
export class Project {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'ferry-project-'))
  readonly tarball: string = join(this.folder, `llm-ferry-sdk-${manifest(sdk).version}.tgz`)

  /** Packs the SDK as it would be published, and installs that. */
  static async create(): Promise<Project> {
    const project = new Project()
    await run(join(root, 'node_modules/.bin/tsc'), ['--build', sdk], root)
    await run('npx', ['--yes', packageManager, 'pack', '--pack-destination', project.folder], sdk)
    project.write('package.json', JSON.stringify({ name: 'app', private: true, type: 'module' }))
    await project.install(project.tarball)
    return project
  }

  get tarballBytes(): number {
    return statSync(this.tarball).size
  }

  /** Installs with npm. A name alone gets the version that this repository has. */
  async install(...names: readonly string[]): Promise<void> {
    const wanted = names.map((name) => (name in devDependencies ? `${name}@${devDependencies[name]}` : name))
    const env = { ...process.env, npm_config_update_notifier: 'false' }
    await run(
      'npm',
      ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline', ...wanted],
      this.folder,
      env,
    )
  }

  write(file: string, text: string): void {
    const path = join(this.folder, file)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, text)
  }

  /** Checks files as `tsc` with strict settings does, libraries' declarations included; gives its diagnostics. */
  async check(files: readonly string[], options: Readonly<Record<string, unknown>> = {}): Promise<Printed> {
    const compilerOptions = { ...STRICT, ...options }
    this.write('tsconfig.json', JSON.stringify({ compilerOptions, files }))
    return run(join(this.folder, 'node_modules/.bin/tsc'), ['--extendedDiagnostics'], this.folder)
  }

  /** Runs a file in Node; gives what it printed. */
  async node(file: string, env: Readonly<Record<string, string>>): Promise<string> {
    return (await run(process.execPath, [file], this.folder, { ...process.env, ...env })).stdout
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

const STRICT = {
  target: 'es2022',
  lib: ['es2022', 'esnext.disposable'],
  types: ['node'],
  module: 'nodenext',
  moduleDetection: 'force',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noEmit: true,
}
