import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { afterBody } from '../../../../test/testkit/scripted-vendor.ts'
import { BFF_KEY, plainAnswer, startTestBff, type TestBff } from '../../../bff/test/support.ts'
import { COMMANDS } from '../../src/cli/commands/index.ts'
import { runCli } from '../../src/cli/run.ts'

const ADMIN = 'admin-token-0123456789abcdef'

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

async function run(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  let [out, err] = ['', '']
  const code = await runCli(args, {
    env,
    out: (text) => {
      out += text
    },
    err: (text) => {
      err += text
    },
  })
  return { code, out, err }
}

interface Cli extends TestBff {
  /** Runs `ferry` against this BFF; `--json` answers are parsed. */
  ferry(line: string): Promise<Ran & { readonly json: Record<string, unknown> }>
  ask(secret: unknown): Promise<number>
}

async function start(): Promise<Cli> {
  const bff = await startTestBff(
    afterBody(() => plainAnswer()),
    { BFF_ADMIN_TOKEN: ADMIN },
    'prices: { openai/gpt-x: { input: 1, output: 1 } }\n',
  )
  return {
    ...bff,
    ferry: async (line) => {
      const ran = await run(line.split(' '), { FERRY_URL: bff.origin, BFF_ADMIN_TOKEN: `ops:${ADMIN}` })
      return { ...ran, json: line.includes('--json') && ran.code === 0 ? JSON.parse(ran.out) : {} }
    },
    ask: async (secret) => {
      const response = await bff.chat({}, { headers: { authorization: `Bearer ${secret}` } })
      await response.text()
      return response.status
    },
  }
}

describe('ferry keys', () => {
  test('makes, shows, changes, switches, rotates and deletes keys of a running BFF', async () => {
    const { ferry, ask } = await start()
    const fields =
      '--owner mei --model openai/gpt-x --vendor openai --ip 127.0.0.0/8 --limit usd_per_day=2.5 --limit streams=3 ' +
      '--tag tv --label team=tv --native full --no-keep-reasoning --cache ttl=600,scope=user --expires 2099-01-01T00:00:00Z'
    const { json } = await ferry(`keys create tv ${fields} --json`)
    expect(json).toMatchObject({
      name: 'tv',
      owner: 'mei',
      models: ['openai/gpt-x'],
      vendors: ['openai'],
      ips: ['127.0.0.0/8'],
      limits: { usd_per_day: 2.5, streams: 3 },
      tags: ['tv'],
      labels: { team: 'tv' },
      native: 'full',
      keep_reasoning: false,
      cache: { ttl_seconds: 600, scope: 'user' },
      expires_at: '2099-01-01T00:00:00Z',
    })
    expect(await ask(json.secret)).toBe(200)

    const shown = await ferry('keys show tv')
    expect(shown.out).toContain('usd_per_day=2.5')
    expect(shown.out).toMatch(/^cache +600 s, by user/m)
    expect(shown.out).not.toContain(String(json.secret))
    const listed = await ferry('keys list')
    expect(listed.out).toMatch(/^NAME +ID +SOURCE +STATE/)
    expect(listed.out).toMatch(/^tv +key_\w+ +api +in use +mei +tv/m)
    expect((await ferry('keys list --tag none')).out).not.toContain('tv')

    expect((await ferry('keys update tv --name telly --clear owner --limit streams=5 --json')).json).toMatchObject({
      name: 'telly',
      limits: { streams: 5 },
    })
    for (const [rule, cache] of [
      ['--cache off', false],
      ['--cache on', { ttl_seconds: 3600 }],
      ['--cache scope=key', { ttl_seconds: 3600, scope: 'key' }],
      ['--cache ttl=60', { ttl_seconds: 60 }],
      ['--clear cache', undefined],
    ]) {
      expect((await ferry(`keys update telly ${rule} --json`)).json.cache, String(rule)).toEqual(cache)
    }
    expect((await ferry('keys disable telly')).out).toContain('disabled')
    expect(await ask(json.secret)).toBe(401)
    expect((await ferry('keys enable telly')).code).toBe(0)
    expect(await ask(json.secret)).toBe(200)

    const rotated = (await ferry('keys rotate telly --overlap 60 --keep-sessions --json')).json
    expect([await ask(json.secret), await ask(rotated.secret)]).toEqual([200, 200])
    const again = await ferry('keys rotate telly')
    expect(again.out).toMatch(/secret +sk-ferry-/)
    expect(again.err).toContain('this once')
    expect(await ask(rotated.secret)).toBe(401)

    expect(await ferry('keys delete telly')).toMatchObject({ code: 2, err: expect.stringContaining('--yes') })
    expect(await ferry('keys delete telly --yes')).toMatchObject({ code: 0, out: 'telly is deleted.\n' })
    expect(await ferry('keys show telly')).toMatchObject({ code: 1, err: expect.stringContaining('[not_found]') })
  })

  test('says what is wrong, by the server’s words and exit codes', async () => {
    const { ferry } = await start()
    expect(await ferry('keys create x --model gpt')).toMatchObject({
      code: 1,
      err: expect.stringContaining('`models[0]`'),
    })
    expect(await ferry('keys disable app')).toMatchObject({ code: 1, err: expect.stringContaining('BFF_KEYS') })
    expect(await ferry('keys update app')).toMatchObject({ code: 2, err: expect.stringContaining('what to change') })
    expect((await run(['keys', 'list'], {})).err).toContain('BFF_ADMIN_TOKEN')
    const away = { FERRY_URL: 'http://127.0.0.1:9', BFF_ADMIN_TOKEN: ADMIN }
    expect(await run(['keys', 'list'], away)).toMatchObject({
      code: 3,
      err: expect.stringContaining('cannot be reached'),
    })
  })

  test.each([
    'keys',
    'keys explode',
    'keys show',
    'keys list extra',
    'keys show a b',
    'keys show a --tag x',
    'keys list --token abc',
    'keys create a --limit streams',
    'keys create a --limit streams=many',
    'keys create a --cache sometimes',
    'keys create a --cache ttl=60scope=key',
    'keys create a --cache scope=shared',
    'keys rotate a --overlap soon',
    'keys rotate a --revoke-sessions --keep-sessions',
    'usage --by week',
    'usage extra',
    'usage --csv --json',
    'explode',
  ])('refuses `ferry %s`, and does not ask the server', async (line) => {
    const ran = await run(line.split(' '), { FERRY_URL: 'http://127.0.0.1:9', BFF_ADMIN_TOKEN: ADMIN })
    expect(ran).toMatchObject({ code: 2, out: '' })
    expect(ran.err).toMatch(/^ferry: /)
  })

  test('takes the token from a file', async () => {
    const { origin } = await start()
    const file = join(mkdtempSync(join(tmpdir(), 'ferry-cli-')), 'token')
    writeFileSync(file, `${ADMIN}\n`)
    expect((await run(['keys', 'list', '--token-file', file, '--url', `${origin}/`])).code).toBe(0)
    expect((await run(['keys', 'list', '--url', origin], { BFF_ADMIN_TOKEN_FILE: file })).code).toBe(0)
    expect((await run(['keys', 'list', '--token-file', `${file}x`])).err).toContain('ENOENT')
  })
})

describe('ferry usage', () => {
  test('prints what was used, as a table, JSON and CSV', async () => {
    const { ferry, ask, chat } = await start()
    await ask(BFF_KEY)
    await ask(BFF_KEY)
    for (const by of ['key', 'user', 'model', 'day', 'hour']) {
      const table = await ferry(`usage --by ${by}`)
      expect(table.code, by).toBe(0)
      expect(table.out, by).toMatch(/^total .* 2 +0 /m)
      expect((await ferry(`usage --by ${by} --csv`)).out, by).toMatch(/^day,.*calls,/)
    }
    expect((await ferry('usage --json')).json).toMatchObject({ by: 'key', data: [{ key_name: 'app', calls: 2 }] })
    expect((await ferry('usage --key app --user app')).out).toMatch(/^total/m)
    expect((await ferry('usage --by user --top 1')).out).toMatch(/^\S+ +app +app +openai +gpt-x +2 /m)
    await (await chat({ user: 'ann' })).text()
    const cut = await ferry('usage --by user --top 1')
    expect(cut.out).toMatch(/^\S+ +\(others\) +1 /m)
    expect(cut.out).toMatch(/^total .* 3 +0 /m)
    expect((await ferry('usage --user nobody')).out).toBe('Nothing was used.\n')
    expect(await ferry('usage --key nobody')).toMatchObject({ code: 1 })
    expect(await ferry('usage --from 2026-13-01')).toMatchObject({ code: 1, err: expect.stringContaining('from') })
  })
})

test('every command has help, and the list names it', async () => {
  for (const args of [[], ['--help'], ['help']]) {
    const { code, out } = await run(args)
    expect(code).toBe(0)
    for (const { name } of COMMANDS) expect(out).toContain(`ferry ${name}`)
  }
  for (const { name, help } of COMMANDS) expect(await run([name, '-h'])).toMatchObject({ code: 0, out: help })
})
