import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { MONITORING } from './monitoring-files.ts'
import { type Finished, runProgram } from './program.ts'

// `backup` and `restore` of a host with monitoring. Docker alone is a stand-in, which keeps the volumes in a folder and notes
// what it is told.

const RULE = 'groups: [{ name: mine, rules: [{ alert: Mine, expr: "up == 0" }] }]\n'

let folder: string
let docker: string
const at = (...path: string[]): string => join(folder, ...path)
const monitoring = (...path: string[]): string => at('opt/monitoring', ...path)
const told = (): string[] => readFileSync(at('told'), 'utf8').trim().split('\n')

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ferry-backup-monitoring-'))
  cpSync(join(MONITORING, '..'), at('deploy'), { recursive: true })
  // As docs/deploy has it: a copy beside the checkout. Its up.sh finds the checkout by ../lib.
  cpSync(MONITORING, monitoring(), { recursive: true })
  cpSync(at('deploy/lib'), at('opt/lib'), { recursive: true })
  for (const name of ['cert', 'key']) writeFileSync(at(name), `${name} of the metrics client\n`)
  const env = {
    OVERSEAS_PRIMARY: 'llm-proxy.example.com',
    METRICS_CLIENT_CERT: at('cert'),
    METRICS_CLIENT_KEY: at('key'),
    WECOM_WEBHOOK_URL: 'https://qyapi.example/robot-of-mine',
    REDIS_PASSWORD: 'redis-password-0123',
  }
  writeFileSync(
    monitoring('.env'),
    Object.entries(env)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  )
  writeFileSync(monitoring('prometheus/rules/mine.yml'), RULE)
  writeFileSync(monitoring('prometheus/targets/nodes-mine.yml'), '- targets: [10.0.0.9:9100]\n')
  for (const name of ['grafana', 'alertmanager', 'prometheus']) mkdirSync(at('volumes', name), { recursive: true })
  writeFileSync(at('volumes/grafana/grafana.db'), 'users and dashboards')
  writeFileSync(at('volumes/alertmanager/silences'), 'a silence')
  writeFileSync(at('volumes/prometheus/chunk'), 'thirty days of figures')
  writeFileSync(at('backup.key'), 'passphrase-of-the-backup-0123')
  mkdirSync(at('bin'))
  docker = at('bin/docker')
  writeFileSync(
    docker,
    `#!/bin/bash
echo "$*" >>${at('told')}
case "$*" in
  'compose config') echo 'name: ferry-monitoring' ;;
  'compose ps --quiet --status running '*) echo 0123456789ab ;;
  'compose pause grafana') echo 'in the middle of a write' >>${at('volumes/grafana/paused')} ;;
  'volume inspect -f {{.Mountpoint}} ferry-monitoring_'*) [[ -d ${at('volumes')}/\${5#*_} ]] && echo ${at('volumes')}/\${5#*_} ;;
esac
`,
  )
  chmodSync(docker, 0o755)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const run = (name: string, args: readonly string[], more: NodeJS.ProcessEnv = {}): Finished => {
  const env = {
    PATH: `${at('bin')}:${process.env.PATH}:/usr/sbin:/sbin`,
    FERRY_BACKUP_CONF: '/nowhere',
    FERRY_MONITORING: monitoring(),
    BACKUP_DIR: at('backups'),
    BACKUP_KEY_FILE: at('backup.key'),
    BACKUP_METRICS_DIR: '',
    ...more,
  }
  return runProgram(at('deploy/scripts', name), args, { env })
}
const backUp = (): string => {
  const { status, output } = run('backup', [])
  expect(status, output).toBe(0)
  return at('backups', readdirSync(at('backups'))[0] ?? '')
}

it('brings settings, secrets, rules, users and silences back on a host that has nothing', () => {
  expect(runProgram(monitoring('up.sh'), ['files'])).toEqual({ status: 0, output: '' })
  const password = readFileSync(monitoring('secrets/grafana/admin_password'), 'utf8')
  const env = readFileSync(monitoring('.env'), 'utf8')
  const file = backUp()
  for (const name of ['opt', 'volumes', 'cert', 'key']) rmSync(at(name), { recursive: true })
  for (const name of ['grafana', 'alertmanager']) mkdirSync(at('volumes', name), { recursive: true })
  writeFileSync(at('volumes/grafana/grafana.db'), 'empty')
  // What only the checkout has. The metrics client's own files are gone: the copy in secrets/ is as good.
  cpSync(at('deploy/lib'), at('opt/lib'), { recursive: true })
  rmSync(at('told'))

  expect(run('restore', [file]).output).toContain('would: write the volume grafana')
  expect(readFileSync(at('volumes/grafana/grafana.db'), 'utf8')).toBe('empty')
  const { status, output } = run('restore', [file, '--apply'], { FERRY_MONITORING: '' })
  expect(status, output).toBe(0)

  expect(readFileSync(monitoring('.env'), 'utf8')).toBe(env)
  expect(readFileSync(monitoring('secrets/grafana/admin_password'), 'utf8')).toBe(password)
  expect(readFileSync(monitoring('secrets/notify/wecom_webhook_url'), 'utf8')).toBe(
    'https://qyapi.example/robot-of-mine',
  )
  expect(readFileSync(monitoring('prometheus/rules/mine.yml'), 'utf8')).toBe(RULE)
  expect(readdirSync(monitoring('prometheus/targets'))).toContain('nodes-mine.yml')
  expect(readFileSync(at('volumes/grafana/grafana.db'), 'utf8')).toBe('users and dashboards')
  expect(readFileSync(at('volumes/alertmanager/silences'), 'utf8')).toBe('a silence')
  // Prometheus's figures are not kept.
  expect(readdirSync(at('volumes'))).toEqual(['alertmanager', 'grafana'])
  // What was overwritten can be had again.
  const [aside = ''] = readdirSync(at('backups-before-restore'))
  expect(readdirSync(at('backups-before-restore', aside))).toContain('grafana.tar')
  const did = told().filter((line) => /^compose (stop|create|up)/.test(line))
  expect(did).toEqual([
    'compose stop',
    'compose create --quiet-pull',
    expect.stringMatching(/^compose up -d --force-recreate/),
  ])
})

it('holds each still while it is read, and lets it go again, also where that fails', () => {
  const file = backUp()
  const pauses = (): string[] => told().filter((line) => /^compose (un)?pause/.test(line))
  const both = ['compose pause grafana', 'compose unpause grafana', 'compose pause alertmanager']
  expect(pauses()).toEqual([...both, 'compose unpause alertmanager'])
  // It was read after it stood still.
  rmSync(at('volumes'), { recursive: true })
  for (const name of ['grafana', 'alertmanager']) mkdirSync(at('volumes', name), { recursive: true })
  expect(run('restore', [file, '--apply']).status).toBe(0)
  expect(readdirSync(at('volumes/grafana'))).toEqual(['grafana.db', 'paused'])

  rmSync(at('told'))
  const tar = at('bin/tar')
  writeFileSync(tar, `#!/bin/bash\n[[ $* != *grafana.tar* ]] || exit 2\nexec ${which('tar')} "$@"\n`)
  chmodSync(tar, 0o755)
  expect(run('backup', []).output).toContain('grafana.tar could not be written')
  expect(pauses()).toEqual(['compose pause grafana', 'compose unpause grafana'])
})

it('says what it leaves out, and refuses a folder where nothing was set up', () => {
  rmSync(at('volumes/alertmanager'), { recursive: true })
  expect(run('backup', []).output).toContain(`there is no volume alertmanager of ${monitoring()}: not in this backup`)
  rmSync(monitoring('.env'))
  expect(run('backup', [])).toEqual({
    status: 1,
    output: `backup: FERRY_MONITORING is ${monitoring()}, which has no .env: nothing was set up there\n`,
  })
  expect(run('backup', [], { FERRY_MONITORING: '' }).output).toContain('nothing to back up')
})

const which = (name: string): string => runProgram('bash', ['-c', `command -v ${name}`]).output.trim()
