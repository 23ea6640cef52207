import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { eventually } from '../testkit/eventually.ts'
import { freePort } from '../testkit/ports.ts'
import { MONITORING } from './monitoring-files.ts'
import { type Program, runProgram, startProgram } from './program.ts'

const CONFIG = join(MONITORING, 'alertmanager/alertmanager.yml')

let folder: string
let alertmanager: Program
let api: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ferry-alertmanager-'))
  const address = `127.0.0.1:${await freePort()}`
  api = `http://${address}/api/v2/alerts`
  const flags = [`--config.file=${CONFIG}`, `--storage.path=${folder}`, `--web.listen-address=${address}`]
  alertmanager = startProgram('prometheus-alertmanager', [...flags, '--cluster.listen-address='])
  await eventually(
    'it serves',
    () =>
      fetch(api).then(
        ({ ok }) => ok,
        () => false,
      ),
    10_000,
  )
})
afterAll(async () => {
  await alertmanager?.stop()
  rmSync(folder, { recursive: true, force: true })
})

interface Alert {
  readonly labels: Readonly<Record<string, string>>
  readonly status: { readonly state: string }
}

it('silences what follows from a greater fault, on that host alone', async () => {
  const given: Record<string, string>[] = [
    { alertname: 'PublicNameDown', host: 'primary' },
    { alertname: 'ServiceDown', host: 'primary', relay: 'relay-1' },
    { alertname: 'ExporterDown', host: 'primary', job: 'node' },
    { alertname: 'ServiceDown', host: 'backup', relay: 'relay-1' },
    { alertname: 'CertificateExpiresNow', instance: 'https://a/health' },
    { alertname: 'CertificateExpiresSoon', instance: 'https://a/health' },
    { alertname: 'CertificateExpiresSoon', instance: 'https://b/health' },
    { alertname: 'RedisDown' },
    { alertname: 'QuotaStoreFaults' },
    { alertname: 'QuotaOnInsurance' },
  ]
  const body = JSON.stringify(given.map((labels) => ({ labels })))
  const posted = await fetch(api, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  expect(posted.status).toBe(200)
  const silenced = async (): Promise<string[]> =>
    ((await (await fetch(`${api}?active=false&inhibited=true`)).json()) as Alert[])
      .filter(({ status }) => status.state === 'suppressed')
      .map(({ labels: { alertname, ...rest } }) => [alertname, ...Object.values(rest).toSorted()].join(' '))
      .toSorted()
  const expected = [
    'CertificateExpiresSoon https://a/health',
    'ExporterDown node primary',
    'QuotaStoreFaults',
    'ServiceDown primary relay-1',
  ]
  await eventually('they are', async () => (await silenced()).length >= expected.length, 20_000)
  expect(await silenced()).toEqual(expected)
})

it.each([
  ['critical', 'on-call'],
  ['warning', 'team'],
])('sends %s to %s', (severity, receiver) => {
  const { status, output } = runProgram('amtool', [
    'config',
    'routes',
    'test',
    `--config.file=${CONFIG}`,
    `severity=${severity}`,
  ])
  expect([status, output.split('\n')[0]]).toEqual([0, receiver])
})
