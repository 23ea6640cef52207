import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readDocumentedMetrics, readServedMetrics } from './metrics-page.ts'
import { type Finished, runProgram } from './program.ts'

// What `backup` tells node exporter of itself. That the alerts see it: monitoring.test.ts.

const BACKUP = fileURLToPath(new URL('../../deploy/scripts/backup', import.meta.url))

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ferry-backup-metrics-'))
  writeFileSync(join(folder, 'key'), 'passphrase-of-the-backup-0123')
  writeFileSync(join(folder, 'a.env'), 'A=1\n')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const metrics = (): string => join(folder, 'metrics/textfile')
const told = (): string => readFileSync(join(metrics(), 'ferry-backup.prom'), 'utf8')
const gauge = (name: string): number | undefined => {
  const [, value] = new RegExp(`^ferry_backup_${name} (\\S+)$`, 'm').exec(told()) ?? []
  return value === undefined ? undefined : Number(value)
}
const backUp = (env: NodeJS.ProcessEnv = {}): Finished =>
  runProgram(BACKUP, [], {
    env: {
      FERRY_BACKUP_CONF: '/nowhere',
      BACKUP_DIR: join(folder, 'backups'),
      BACKUP_KEY_FILE: join(folder, 'key'),
      BACKUP_PATHS: join(folder, 'a.env'),
      BACKUP_METRICS_DIR: metrics(),
      ...env,
    },
  })

it('tells of a failure before any success, then of the success, and keeps that when the next one fails', () => {
  expect(backUp({ BACKUP_KEY_FILE: '/nowhere' }).status).toBe(1)
  expect([gauge('failed'), gauge('last_success_timestamp_seconds'), gauge('size_bytes')]).toEqual([
    1,
    undefined,
    undefined,
  ])

  const before = Math.floor(Date.now() / 1000)
  const { status, output } = backUp()
  expect(status, output).toBe(0)
  const [file = ''] = readdirSync(join(folder, 'backups'))
  const success = gauge('last_success_timestamp_seconds')
  expect(success).toBeGreaterThanOrEqual(before)
  expect(success).toBeLessThanOrEqual(Date.now() / 1000)
  expect([gauge('failed'), gauge('size_bytes')]).toEqual([0, statSync(join(folder, 'backups', file)).size])
  // By Prometheus's own checker, and as docs/metrics.md has it.
  expect(runProgram('promtool', ['check', 'metrics'], { input: told() })).toEqual({ status: 0, output: '' })
  expect(readServedMetrics(told())).toEqual(readDocumentedMetrics('hosts'))
  // node exporter is another user, and must never see half a file.
  expect(statSync(join(metrics(), 'ferry-backup.prom')).mode & 0o777).toBe(0o644)
  expect(statSync(metrics()).mode & 0o777).toBe(0o755)
  expect(readdirSync(metrics())).toEqual(['ferry-backup.prom'])

  expect(backUp({ BACKUP_PATHS: '/nowhere/at-all' }).output).toContain('/nowhere/at-all, which is not there')
  expect([gauge('failed'), gauge('last_success_timestamp_seconds')]).toEqual([1, success])
  expect(gauge('size_bytes')).toBeGreaterThan(0)
  expect(readdirSync(join(folder, 'backups'))).toEqual([file])
})

it('says so where it can tell nobody; the backup is made all the same', () => {
  writeFileSync(join(folder, 'no-folder'), '')
  const { status, output } = backUp({ BACKUP_METRICS_DIR: join(folder, 'no-folder/textfile') })
  expect([status, output]).toEqual([0, expect.stringContaining('node exporter could not be told')])
  expect(backUp({ BACKUP_METRICS_DIR: '' })).toMatchObject({ status: 0 })
})
