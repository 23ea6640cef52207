import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startUpstream, TEXT, type Upstream } from '../clients/vendor-factories/upstream.ts'
import { BFF_KEY, type Chain, startChain } from '../packages/chain.ts'
import { root, run, sdk } from '../packages/project.ts'
import { DIALECTS } from '../testkit/dialects.ts'
import { afterBody, chunk, fin, hang, head, ScriptedVendor, type Step } from '../testkit/scripted-vendor.ts'
import { launchChromium, serveSite } from './page.ts'
import type { scenarios } from './scenarios.ts'

const main = join(root, 'test/browser/main.ts')
/** npm packages whose only content is the runtime. */
const BUN = `@oven/bun-${process.platform}-${process.arch === 'arm64' ? 'aarch64' : 'x64'}@1.4.5`
const DENO = `@deno/${process.platform}-${process.arch}${process.platform === 'linux' ? '-glibc' : ''}@2.9.6`

let upstream: Upstream
let scripted: ScriptedVendor
let chain: Chain
let runtimes: string
/** How long after its last byte each caller of `hang` left. */
let leftAfterMs: number[]

beforeAll(async () => {
  runtimes = mkdtempSync(join(tmpdir(), 'ferry-runtimes-'))
  writeFileSync(join(runtimes, 'package.json'), '{"private":true}')
  const install = run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', BUN, DENO], runtimes)
  await run(join(root, 'node_modules/.bin/tsc'), ['--build', sdk], root)
  upstream = await startUpstream()
  scripted = await ScriptedVendor.start({ script: afterBody(({ body }) => brokenStream(body.includes('"hang"'))) })
  const vendor = `{ dialect: openai, origin: "${scripted.origin}", apiKey: scripted-key-0123456789 }`
  chain = await startChain(upstream.url, { config: `vendors:\n  scripted: ${vendor}\n` })
  await install
}, 120_000)
afterAll(async () => {
  await chain?.stop()
  await scripted?.stop()
  await upstream?.stop()
  rmSync(runtimes, { recursive: true, force: true })
})
beforeEach(() => {
  leftAfterMs = []
})

/** A stream that is cut after its first text, or says nothing more. */
function brokenStream(hangs: boolean): readonly Step[] {
  const headers = [
    ['content-type', 'text/event-stream'],
    ['transfer-encoding', 'chunked'],
  ] as const
  const events = DIALECTS.openai.stream.slice(0, 3).map((event) => chunk(event))
  return [head(200, headers), ...events, ...(hangs ? [measured] : [fin()])]
}

const measured: Step = async (wire) => {
  const lastByteAt = performance.now()
  await hang()(wire)
  leftAfterMs.push(performance.now() - lastByteAt)
}

type Outcome = Awaited<ReturnType<typeof scenarios>>
const env = () => ({ ...process.env, FERRY_URL: chain.bff.origin, FERRY_KEY: BFF_KEY })
const printed = async (file: string, args: readonly string[]): Promise<Outcome> =>
  JSON.parse((await run(file, [...args, main], root, env())).stdout)

const RUNTIMES: Readonly<Record<string, () => Promise<Outcome>>> = {
  Node: () => printed(process.execPath, ['--disable-warning=ExperimentalWarning']),
  Chromium: async () => {
    const site = await serveSite(chain.bff.origin)
    const browser = await launchChromium()
    try {
      const page = await browser.newPage()
      await page.goto(site.url)
      const code = `import('/test/browser/scenarios.ts').then(({ scenarios }) => scenarios({ baseURL: '/', apiKey: '${BFF_KEY}' }))`
      return (await page.evaluate(code)) as Outcome
    } finally {
      await browser.close()
      await site.stop()
    }
  },
  Bun: () => printed(join(runtimes, 'node_modules', BUN.replace(/@[\d.]+$/, ''), 'bin/bun'), ['run']),
  Deno: () =>
    printed(join(runtimes, 'node_modules', DENO.replace(/@[\d.]+$/, ''), 'deno'), [
      'run',
      '--allow-net',
      '--allow-env',
      '--allow-read',
      '--no-lock',
      '--node-modules-dir=manual',
    ]),
}

describe.each(Object.entries(RUNTIMES))('the client in %s', (_, runtime) => {
  it('does all of it at a real BFF', async () => {
    expect(await runtime()).toEqual({
      chat: TEXT,
      deltas: TEXT,
      isStreamed: true,
      sentences: ['渡船早上六点开，', '晚上十点收班。'],
      relayed: TEXT,
      tools: [TEXT, { input: { city: '北京' }, sky: '晴' }],
      object: { city: '北京', days: 3 },
      split: ['你好。', 'Hi'],
      models: true,
      usage: 'list',
      refused: expect.stringMatching(/_not_found$/),
      wrongKey: 'authentication_failed',
      truncated: 'upstream_truncated',
      left: 'client_closed',
      aborted: true,
    })
    expect(leftAfterMs).toHaveLength(2)
    expect(Math.max(...leftAfterMs)).toBeLessThan(1000)
  })
})
