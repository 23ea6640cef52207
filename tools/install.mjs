// Installs the workspace with the pnpm and the Node that package.json pins. Skips when the lockfile has not changed.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A refusal is shown as one sentence, without a stack. */
export class Refusal extends Error {}

const NODE_MAJOR = 24
const UNREACHABLE =
  /ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ENETUNREACH|ECONNRESET|ERR_PNPM_META_FETCH_FAIL|fetch failed|dns error|error sending request/i

/** The Node 24 that runs our code: this process when it is new enough, else the one npm delivered. */
export function node24(root) {
  if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR) return process.execPath
  const delivered = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node')
  if (existsSync(delivered)) return delivered
  throw new Refusal(
    `LLM Ferry runs on Node ${NODE_MAJOR}, this is ${process.version}, and npm delivers no Node ${NODE_MAJOR} for ` +
      `${process.platform}-${process.arch}: install Node ${NODE_MAJOR} (https://nodejs.org/en/download) and run again`,
  )
}

export async function install(root) {
  const stamp = join(root, 'node_modules', '.ferry-installed')
  const want = fingerprint(root)
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === want) return
  try {
    accessSync(root, constants.W_OK)
    mkdirSync(join(root, 'node_modules'), { recursive: true })
    accessSync(join(root, 'node_modules'), constants.W_OK)
  } catch (error) {
    throw new Refusal(
      `cannot write to ${root} (${error.code}): make the folder writable for this user, or clone into one that is`,
    )
  }
  const started = Date.now()
  const pnpm = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).packageManager
  console.error(`llm-ferry: installing packages with ${pnpm} (first time, or the lockfile changed) …`)
  const { status, output } = runPnpm(pnpm, root)
  if (status !== 0) throw new Refusal(explain(output, root))
  // vitest's cache holds paths of the packages that were there before.
  rmSync(join(root, 'node_modules', '.vitest-cache'), { recursive: true, force: true })
  writeFileSync(stamp, want)
  console.error(`llm-ferry: packages ready in ${((Date.now() - started) / 1000).toFixed(0)} s`)
}

function fingerprint(root) {
  const hash = createHash('sha256')
  const manifests = ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', ...workspaceManifests(root)]
  for (const file of manifests) hash.update(file).update(readFileSync(join(root, file)))
  return hash.update(`${process.platform}-${process.arch}`).digest('hex')
}

function workspaceManifests(root) {
  return ['packages', 'examples']
    .flatMap((folder) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}/package.json`))
    .filter((file) => existsSync(join(root, file)))
    .sort()
}

function runPnpm(pnpm, root) {
  const env = { ...process.env, CI: 'true' }
  // npm hands its own settings down; pnpm and npx would take them for theirs.
  for (const key of Object.keys(env)) if (/^npm_(package|lifecycle|command|node|execpath)/.test(key)) delete env[key]
  // npm's own pauses between retries are up to a minute, in which nobody learns that there is no network.
  Object.assign(env, { npm_config_fetch_retry_mintimeout: '1000', npm_config_fetch_retry_maxtimeout: '5000' })
  const result = spawnSync('npx', ['--yes', pnpm, 'install', '--frozen-lockfile', '--reporter=append-only'], {
    cwd: root,
    env,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    shell: process.platform === 'win32',
  })
  if (result.error) throw new Refusal(`cannot run npx (${result.error.code}): LLM Ferry needs Node >= 20 with npm`)
  return { status: result.status, output: `${result.stdout}${result.stderr}` }
}

function explain(output, root) {
  const log = join(root, 'node_modules', '.ferry-install.log')
  writeFileSync(log, output)
  if (UNREACHABLE.test(output)) {
    const registry = spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).stdout?.trim()
    return `cannot reach the npm registry ${registry}: check the network, or choose a mirror with \`npm config set registry <url>\`, and run again (details: ${log})`
  }
  if (/ENOSPC/.test(output)) return `no space left on the disk of ${root}: free about 1 GB and run again`
  const reason = output
    .split('\n')
    .filter((line) => /ERR|error/i.test(line))
    .slice(0, 3)
    .join(' ')
  return `installing packages failed: ${reason.trim() || 'no reason given'} (details: ${log})`
}
