import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { afterBody } from '../../../../test/testkit/scripted-vendor.ts'
import { accessTo, narrowed, permitted } from '../../src/keys/access.ts'
import { BFF_KEY, errorOf, json, plainAnswer, startTestBff, type TestBff } from '../support.ts'

const SECRET = 'file-key-0123456789abcdef'
const hash = `sha256:${createHash('sha256').update(SECRET).digest('hex')}`
const aliases = 'aliases:\n  both: [openai/gpt-x, second/gpt-x]\n'

/** A BFF whose key `device` stands in the file alone, with these rules. */
const start = (rules: string, env: Record<string, string> = {}): Promise<TestBff> =>
  startTestBff(
    afterBody(() => plainAnswer()),
    env,
    `${aliases}keys:\n  device: { hash: "${hash}"${rules === '' ? '' : `, ${rules}`} }\n`,
  )

const as = (secret: string): RequestInit => ({ headers: { authorization: `Bearer ${secret}` } })
const model = (name: string) => ({ model: name })

describe('a key of the configuration file', () => {
  test('is known by its digest alone, beside those of BFF_KEYS', async () => {
    const { chat, logLines } = await start('')
    expect((await chat({}, as(SECRET))).status).toBe(200)
    expect((await chat({}, as(BFF_KEY))).status).toBe(200)
    expect((await chat({}, as(`${SECRET}x`))).status).toBe(401)
    await eventually('lines', () => logLines.join('').includes('"keyName":"device"'))
    expect(logLines.join('')).not.toContain(SECRET)
  })

  test('may use what it names, and is told of the rest by field', async () => {
    const { chat, vendor } = await start('models: [openai/gpt-x, second/*], vendors: [openai, second, anthropic]')
    expect((await chat(model('openai/gpt-x'), as(SECRET))).status).toBe(200)
    expect((await chat(model('second/any'), as(SECRET))).status).toBe(200)
    const before = vendor.requests.length
    for (const name of ['openai/gpt-y', 'anthropic/claude-x', 'gemini/g']) {
      const response = await chat(model(name), as(SECRET))
      expect(response.status, name).toBe(403)
      expect(await errorOf(response)).toMatchObject({ code: 'permission_denied', param: 'model' })
    }
    expect(vendor.requests).toHaveLength(before)
  })

  test('passes over an alias’s targets that it may not use', async () => {
    const { chat } = await start('vendors: [second]')
    const response = await chat(model('both'), as(SECRET))
    expect(response.headers.get('x-ferry-vendor')).toBe('second')
    expect((await chat(model('openai/gpt-x'), as(SECRET))).status).toBe(403)
  })

  test('sees the models that it may use', async () => {
    const { origin } = await start('models: [openai/gpt-x, openai/gpt-5]')
    const { data } = (await (await fetch(`${origin}/v1/models`, as(SECRET))).json()) as {
      data: { id: string; targets?: string[] }[]
    }
    expect(data.map(({ id }) => id)).toEqual(['openai/gpt-5', 'both'])
    expect(data[1]?.targets).toEqual(['openai/gpt-x'])
  })

  test('is held to its models on native routes and in embeddings, also where a form names none in time', async () => {
    const { origin, vendor } = await start('models: [openai/gpt-x], native: full')
    const post = (path: string, body: object): Promise<Response> =>
      fetch(origin + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${SECRET}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    const messages = [{ role: 'user', content: 'Hi' }]
    expect((await post('/proxy/openai/v1/chat/completions', { model: 'gpt-x', messages })).status).toBe(200)
    const before = vendor.requests.length
    const refused = await post('/proxy/openai/v1/chat/completions', { model: 'gpt-y', messages })
    expect(refused.status).toBe(403)
    expect(refused.headers.get('x-ferry-error')).toBe('permission_denied')
    expect((await post('/v1/embeddings', { model: 'openai/text-embedding-3-small', input: 'x' })).status).toBe(403)
    expect((await post('/v1/responses', { model: 'gpt-y', input: 'x', store: false })).status).toBe(403)
    // Operations that name no model could use any.
    expect((await post('/proxy/openai/v1/batches', { input_file_id: 'f' })).status).toBe(403)
    const form = new FormData()
    form.append('file', new Blob(['x'.repeat(300_000)]), 'a.wav')
    form.append('model', 'gpt-x')
    const upload = await fetch(`${origin}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${SECRET}` },
      body: form,
    })
    expect(upload.status).toBe(403)
    await upload.text()
    expect(vendor.requests).toHaveLength(before)
  })

  test('lists a vendor’s models natively only where it may use one', async () => {
    const { origin } = await start('models: [openai/gpt-x]')
    expect((await fetch(`${origin}/proxy/openai/v1/models`, as(SECRET))).status).toBe(200)
    expect((await fetch(`${origin}/proxy/second/v1/models`, as(SECRET))).status).toBe(403)
  })

  test('is refused when it is disabled or over, with the reason', async () => {
    const off = await start('disabled: true')
    expect(await errorOf(await off.chat({}, as(SECRET)))).toMatchObject({
      code: 'authentication_failed',
      message: expect.stringContaining('disabled'),
    })
    const over = await start('expiresAt: "2020-01-01T00:00:00Z"')
    expect((await errorOf(await over.chat({}, as(SECRET)))).message).toContain('expired (2020-01-01T00:00:00Z)')
  })

  test('is taken from its addresses only, as trusted proxies tell them', async () => {
    const from = (address: string): RequestInit => ({
      headers: { authorization: `Bearer ${SECRET}`, 'x-forwarded-for': address },
    })
    const { chat } = await start('ips: [10.1.0.0/16]', { TRUSTED_PROXIES: '127.0.0.0/8' })
    expect((await chat({}, from('10.1.2.3'))).status).toBe(200)
    // What stands further left was written by the caller.
    expect((await chat({}, from('10.1.2.3, 10.2.2.3'))).status).toBe(403)
    const direct = await start('ips: [10.1.0.0/16]')
    const refused = await direct.chat({}, from('10.1.2.3'))
    expect(refused.status).toBe(403)
    expect((await errorOf(refused)).message).toContain('127.0.0.1')
  })

  test('has its labels in the ledger', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'ferry-labels-')), 'ledger.jsonl')
    const { chat } = await start('labels: { team: voice, cost-center: "42" }', { LEDGER_FILE: file })
    await (await chat({}, as(SECRET))).text()
    const read = (): string => {
      try {
        return readFileSync(file, 'utf8')
      } catch {
        return ''
      }
    }
    await eventually('the line', () => read().endsWith('\n'))
    expect(JSON.parse(read())).toMatchObject({ key: 'device', labels: { team: 'voice', 'cost-center': '42' } })
  })

  test.each([
    ['hash: abc', 'keys.app.hash.0 must be sha256:'],
    ['models: [gpt-x]', 'keys.app.models.0 must be vendor/model'],
    ['models: [nobody/x]', 'keys.app.models.0 names the vendor "nobody"'],
    ['vendors: [nobody]', 'keys.app.vendors.0 names the vendor "nobody"'],
    ['ips: ["10.1"]', 'keys.app.ips.0 must be an address or a CIDR'],
    ['expiresAt: tomorrow', 'keys.app.expiresAt must be a time'],
    ['limits: { streams: -1 }', 'keys.app.limits.streams'],
  ])('with %s is refused at start, naming the field', async (rules, fault) => {
    await expect(
      startTestBff(
        afterBody(() => json(200, {})),
        {},
        `keys:\n  app: { ${rules} }\n`,
      ),
    ).rejects.toThrow(fault)
  })
})

describe('access', () => {
  test('narrows, and never widens', () => {
    const key = accessTo({ models: ['openai/*'] })
    const token = narrowed(key, { models: ['openai/a', 'gemini/b'] })
    expect(token.allows('openai', 'a')).toBe(true)
    expect(token.allows('openai', 'b')).toBe(false)
    expect(token.allows('gemini', 'b')).toBe(false)
    expect(token.allows('openai', undefined)).toBe(false)
    expect(() => permitted(token, [{ vendor: 'gemini', model: 'b' }])).toThrow('may not use gemini/b')
  })
})
