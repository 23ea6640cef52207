import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startUpstream, TEXT, type Upstream } from '../clients/vendor-factories/upstream.ts'
import { RELAY_TOKEN } from '../testkit/services.ts'
import { BFF_KEY, type Chain, startChain } from './chain.ts'
import { Project, sdk } from './project.ts'
import { bundle, checkCost, gzipped, installedKilobytes, installedPackages, kilobytes } from './sizes.ts'

const readme = readFileSync(join(sdk, 'README.md'), 'utf8')

/** The README's samples by name, each as a module of its own: what the first one defines goes before the others. */
function samples(): ReadonlyMap<string, string> {
  const blocks = [...readme.matchAll(/<!-- test: (\S+) -->\n```ts\n([\s\S]*?)```/g)]
  const [preamble = ''] = blocks[0]?.[2]?.split('\n\nconst {') ?? []
  return new Map(
    blocks.map(([, name = '', code = ''], i) => [
      name,
      i === 0 || !/\bferry\b|careful/.test(withoutImports(code)) ? code : `${preamble}\n${code}`,
    ]),
  )
}

const withoutImports = (code: string): string => code.replaceAll(/^import .*$/gm, '')

/** What each sample must print. */
const PRINTS: Readonly<Record<string, RegExp>> = {
  'chat.ts': new RegExp(`${TEXT} \\d+`),
  'stream.ts': new RegExp(`${TEXT}stop \\d+ openai \\S+`),
  'sentences.ts': /speak: 渡船早上六点开，\nspeak: 晚上十点收班。/,
  'tools.ts': new RegExp(`${TEXT} 2`),
  'object.ts': /^北京 3\n(.*\n)*北京\n$/,
  'conversation.ts': /渡船几点开.*周末呢/,
  'errors.ts': /_not_found 404 false/,
  'options.ts': /^1 0$/m,
  'more.ts': /openai\/gpt.*2\n/s,
  'vendors.ts': new RegExp(`256\n${TEXT}\n${TEXT}`),
  'relay.ts': new RegExp(TEXT),
  'page.ts': /渡/,
  'ai-sdk.ts': new RegExp(TEXT),
}

describe('the packed SDK in an empty project', () => {
  let project: Project
  let upstream: Upstream
  let chain: Chain
  let installed: Readonly<Record<string, number>>
  let env: Readonly<Record<string, string>>

  beforeAll(async () => {
    const starting = startUpstream().then(async (started) => {
      upstream = started
      chain = await startChain(upstream.url)
    })
    project = await Project.create()
    installed = { 'npm packages': installedPackages(project), 'on the disk, kB': installedKilobytes(project) }
    await project.install('typescript', '@types/node')
    await starting
    env = {
      FERRY_URL: chain.bff.origin,
      FERRY_KEY: BFF_KEY,
      RELAY_URL: chain.relay.origin,
      RELAY_TOKEN,
    }
    for (const [name, code] of samples()) project.write(name, code)
  }, 180_000)
  afterAll(async () => {
    project?.remove()
    await chain?.stop()
    await upstream?.stop()
  })

  it('runs and type-checks the README’s first sample, with nothing else installed', async () => {
    await project.check(['chat.ts'])
    expect(await project.node('chat.ts', env)).toMatch(PRINTS['chat.ts']!)
  })

  it('type-checks in a page, without Node’s types', async () => {
    const code =
      "import { createFerry } from '@llm-ferry/sdk'\nexport const ferry = createFerry({ baseURL: '/', apiKey: 'token' })\n"
    project.write('page-types.ts', code)
    const page = { lib: ['es2022', 'esnext.disposable', 'dom', 'dom.iterable', 'dom.asynciterable'], types: [] }
    await project.check(['page-types.ts'], { ...page, module: 'esnext', moduleResolution: 'bundler' })
  })

  it('costs little to load, to install and to check', async () => {
    const client = await bundle(project, "import { createFerry } from '@llm-ferry/sdk'\nglobalThis.f = createFerry\n")
    const all = await bundle(project, "export * from '@llm-ferry/sdk'\n")
    expect([client, all].filter((code) => /["'`]node:|\bprocess\.|\bBuffer\.|\brequire\(/.test(code))).toEqual([])
    const sizes = {
      'tarball, kB': kilobytes(project.tarballBytes),
      ...installed,
      'createFerry in a page, kB minified': kilobytes(client.length),
      'createFerry in a page, kB gzip': gzipped(client),
      'every export in a page, kB gzip': gzipped(all),
      ...(await checkCost(project, 'chat.ts')),
    }
    console.log(sizes)
    expect(sizes['createFerry in a page, kB gzip']).toBeLessThan(25)
    expect(sizes.types).toBeLessThan(20_000)
  }, 60_000)

  describe('with what the other samples use', () => {
    beforeAll(
      () => project.install('zod@4', 'openai', '@anthropic-ai/sdk', '@google/genai', 'ai', '@ai-sdk/openai-compatible'),
      180_000,
    )

    it('type-checks all of them', async () => {
      await project.check([...samples().keys()], { skipLibCheck: true })
    }, 60_000)

    it.each(Object.entries(PRINTS))('runs %s', async (name, prints) => {
      expect(await project.node(name, env)).toMatch(prints)
    })

    it('has no sample that is not run', () => {
      expect([...samples().keys()]).toEqual(Object.keys(PRINTS))
      expect(readme.match(/```ts/g)).toHaveLength(samples().size)
    })
  })
})
