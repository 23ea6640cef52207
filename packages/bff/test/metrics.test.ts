import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { createClientAuthority } from '../../../test/testkit/client-certs.ts'
import { eventually } from '../../../test/testkit/eventually.ts'
import { afterBody } from '../../../test/testkit/scripted-vendor.ts'
import { plainAnswer, startTestBff } from './support.ts'

const TOKEN = 'metrics-token-0123456789'

it('every metric of ours is documented, and every documented one exists', async () => {
  const authority = createClientAuthority()
  const { certFile, keyFile } = authority.issue('bff', 'bff-1')
  const { chat, origin } = await startTestBff(
    afterBody(() => plainAnswer()),
    {
      METRICS_TOKEN: TOKEN,
      RELAY_URLS: 'https://127.0.0.1:9',
      RELAY_TOKEN: 'relay-token-0123456789',
      RELAY_CLIENT_CERT_FILE: certFile,
      RELAY_CLIENT_KEY_FILE: keyFile,
    },
  )
  authority.remove()
  await (await chat()).text()
  const page = await (await fetch(`${origin}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } })).text()
  const served = [...page.matchAll(/^# TYPE ((?:ferry|http|link)_\S+)/gm)].map(([, name]) => name)
  const docs = readFileSync(new URL('../../../docs/metrics.md', import.meta.url), 'utf8')
  const documentation = /\n## BFF\n(.*?)(?:\n## |$)/s.exec(docs)?.[1] ?? ''
  const documented = [...documentation.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name)
  expect(documented.toSorted()).toEqual(served.toSorted())
})

it('a call is counted with its vendor, status and tokens; a stranger sees nothing', async () => {
  const { chat, origin } = await startTestBff(
    afterBody(() => plainAnswer()),
    { METRICS_TOKEN: TOKEN },
  )
  await (await chat()).text()
  const read = async () => (await fetch(`${origin}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } })).text()
  await eventually('the call is counted', async () =>
    (await read()).includes('http_requests_total{vendor="openai",method="POST",status="200"} 1'),
  )
  const page = await read()
  expect(page).toContain('ferry_tokens_total{vendor="openai",kind="prompt"} 3')
  expect(page).toContain('ferry_first_byte_seconds_count{vendor="openai",stream="false"} 1')
  expect((await fetch(`${origin}/metrics`)).status).toBe(401)
})

it('what a call cost is counted by model; a model without a price has no label', async () => {
  const { chat, origin } = await startTestBff(
    afterBody(() => plainAnswer()),
    { METRICS_TOKEN: TOKEN },
    'prices:\n  openai/gpt-x: { input: 1, output: 1 }\n',
  )
  const page = async () => (await fetch(`${origin}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } })).text()
  const values = (text: string, name: RegExp) => [...text.matchAll(name)].map(([, value]) => Number(value))
  await (await chat()).text()
  await eventually('it is counted', async () => (await page()).includes('ferry_cost_usd_total{'))
  const tokens = values(await page(), /^ferry_tokens_total\{.*\} (\S+)$/gm).reduce((sum, value) => sum + value, 0)
  const cost = values(await page(), /^ferry_cost_usd_total\{vendor="openai",model="gpt-x"\} (\S+)$/gm)
  expect(cost).toHaveLength(1)
  expect(cost[0]).toBeCloseTo(tokens / 1e6, 12)
  await (await chat({ model: 'openai/no-such-model' })).text()
  await eventually('the other too', async () =>
    (await page()).includes('ferry_unpriced_calls_total{vendor="openai"} 1'),
  )
  expect(await page()).not.toContain('no-such-model')
})

it('the access line names the route and never the path’s parameters', async () => {
  const { chat, origin, logLines } = await startTestBff(afterBody(() => plainAnswer()))
  await (await chat()).text()
  await fetch(`${origin}/nowhere/secret-in-path`)
  await eventually('both lines', () => logLines.filter((line) => line.includes('"event":"request"')).length === 2)
  const log = logLines.join('')
  expect(log).toContain('"route":"/v1/chat/completions"')
  expect(log).not.toContain('secret-in-path')
})
