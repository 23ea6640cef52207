import { describe, expect, it } from 'vitest'
import { rightAnswer } from '../../../../test/testkit/dialects.ts'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { afterBody, chunk, delay, fin, hang, lastChunk, reset } from '../../../../test/testkit/scripted-vendor.ts'
import { BFF_KEY, json, plainAnswer, startTestBff, streamHead, VENDOR_KEY } from '../support.ts'
import { accessLine, callNative, DIALECTS, rawNative, VENDORS } from './support.ts'

const answers = (vendor: keyof typeof DIALECTS, streamed: boolean) =>
  afterBody(() => [...rightAnswer(DIALECTS[vendor], streamed)])

/** Events of each recorded stream, none of which ends it. */
const PARTIAL = { openai: 2, anthropic: 5, gemini: 1 } as const

/** Usage that the recorded streams tell, on our base. */
const whole = { promptTokens: 3, completionTokens: 2 }

describe.each(VENDORS)('a call to %s', (vendor) => {
  const dialect = DIALECTS[vendor]

  it('passes both ways without a byte changed, and is metered', async () => {
    const bff = await startTestBff(answers(vendor, false))
    const response = await callNative(bff, vendor, dialect.path, { body: dialect.body })
    expect(response.status).toBe(200)
    expect(await response.text()).toBe(dialect.answer)
    const seen = bff.vendor.only
    expect(seen.target).toBe(dialect.path)
    expect(seen.body.toString()).toBe(dialect.body)
    expect(seen.text).not.toContain(BFF_KEY)
    expect(seen.header(dialect.credential[0])).toContain(VENDOR_KEY)
    expect(response.headers.get('x-ferry-vendor')).toBe(vendor)
    expect(response.headers.get('x-ratelimit-remaining-requests')).toBe('59')
    await eventually('the access line', () => accessLine(bff) !== undefined)
    expect(accessLine(bff)).toMatchObject({ vendor, ...whole, attempts: 1 })
  })

  it('streams event by event, unchanged, and is metered', async () => {
    const bff = await startTestBff(answers(vendor, true))
    const response = await callNative(bff, vendor, dialect.streamPath, { body: dialect.streamBody })
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    const shown = dialect.stream.filter((event) => !/"choices":\s*\[\]/.test(event.toString()))
    expect(await response.text()).toBe(Buffer.concat(shown).toString())
    await eventually('the access line', () => accessLine(bff) !== undefined)
    const line = accessLine(bff)
    expect(line).toMatchObject({ vendor, stream: true })
    expect(line?.promptTokens).toBeGreaterThan(0)
    expect(line?.completionTokens).toBeGreaterThan(0)
    expect(line).not.toHaveProperty('estimated')
  })

  it('comes back as the vendor’s own error, byte for byte', async () => {
    const body = '{"error":{"message":"no such model","code":404,"type":"x","status":"y"}}'
    const bff = await startTestBff(afterBody(() => json(404, JSON.parse(body), [['x-request-id', 'req_vendor']])))
    const response = await callNative(bff, vendor, dialect.path, { body: dialect.body })
    expect(response.status).toBe(404)
    expect(response.headers.get('x-ferry-error')).toBeNull()
    expect(response.headers.get('x-request-id')).toBe('req_vendor')
    expect(response.headers.get('x-ferry-request-id')).toMatch(/^req_/)
    expect(await response.text()).toBe(JSON.stringify(JSON.parse(body)))
  })

  it('is refused in the vendor’s shape', async () => {
    const bff = await startTestBff(answers(vendor, false), { RATE_LIMIT_RPM: '1' })
    await callNative(bff, vendor, dialect.path, { body: dialect.body })
    const refused = await callNative(bff, vendor, dialect.path, { body: dialect.body })
    expect(refused.status).toBe(429)
    expect(refused.headers.get('x-ferry-error')).toBe('rate_limit_exceeded')
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(dialect.errorMessage(await refused.text())).toContain('requests_per_minute')
    expect(bff.vendor.requests).toHaveLength(1)
  })

  it('without a key, or with a wrong one, is refused in the vendor’s shape', async () => {
    const bff = await startTestBff(answers(vendor, false))
    const [name, value] = dialect.credential
    for (const headers of [{}, { [name]: value }]) {
      const refused = await fetch(`${bff.origin}/proxy/${vendor}${dialect.path}`, { method: 'POST', headers })
      expect(refused.status).toBe(401)
      expect(refused.headers.get('x-ferry-error')).toBe('authentication_failed')
      expect(dialect.errorMessage(await refused.text())).toBeTruthy()
    }
    expect(bff.vendor.requests).toHaveLength(0)
  })

  it('whose key the vendor refuses blames the operator’s, not the caller’s', async () => {
    const body = { error: { message: `Incorrect API key provided: ${VENDOR_KEY}`, type: 'authentication_error' } }
    const bff = await startTestBff(afterBody(() => json(401, body)))
    const response = await callNative(bff, vendor, dialect.path, { body: dialect.body })
    expect(response.status).toBe(502)
    expect(response.headers.get('x-ferry-error')).toBe('vendor_key_rejected')
    const text = await response.text()
    expect(text).not.toContain(VENDOR_KEY)
    expect(dialect.errorMessage(text)).toContain('operator')
  })

  it('is repeated when the vendor’s own error may pass', async () => {
    let calls = 0
    const busy = { error: { message: 'busy', type: 'overloaded_error', code: 503, status: 'UNAVAILABLE' } }
    const bff = await startTestBff(
      afterBody(() => (++calls === 1 ? json(503, busy) : [...rightAnswer(dialect, false)])),
    )
    const response = await callNative(bff, vendor, dialect.path, { body: dialect.body })
    expect(response.status).toBe(200)
    expect(response.headers.get('x-ferry-attempts')).toBe('2')
  })

  it('that is ended by its caller ends at the vendor within a second', async () => {
    const bff = await startTestBff(afterBody(() => [streamHead(), chunk(dialect.stream[0] ?? ''), hang()]))
    const leave = new AbortController()
    const response = await callNative(bff, vendor, dialect.streamPath, {
      body: dialect.streamBody,
      signal: leave.signal,
    })
    await response.body?.getReader().read()
    const leftAt = performance.now()
    leave.abort()
    expect((await bff.vendor.only.closed).at - leftAt).toBeLessThan(1000)
    await eventually('the access line', () => accessLine(bff)?.error === 'client_closed')
  })

  it.each([
    ['a reset', reset()],
    ['a clean end', lastChunk()],
    ['a clean end of the connection', fin()],
  ])(
    'whose stream breaks off by %s says so in the vendor’s words and does not end as a whole one',
    async (_, ending) => {
      const events = dialect.stream.slice(0, PARTIAL[vendor])
      const bff = await startTestBff(afterBody(() => [streamHead(), ...events.map((e) => chunk(e)), delay(20), ending]))
      const { bytes, isComplete } = await rawNative(bff, vendor, dialect.streamPath, dialect.streamBody)
      const text = bytes.toString()
      expect(text.startsWith(Buffer.concat(events).toString())).toBe(true)
      const last = text.slice(Buffer.concat(events).length)
      expect(dialect.errorMessage(/data: (.*)/.exec(last)?.[1] ?? '')).toContain('broke off')
      expect(isComplete).toBe(false)
      await eventually('the access line', () => accessLine(bff)?.error === 'upstream_truncated')
      expect(accessLine(bff)).toMatchObject({ estimated: true })
      expect(bff.vendor.requests).toHaveLength(1)
    },
  )

  it('whose stream breaks off within an event ends before it', async () => {
    const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = dialect.stream
    const half = second.subarray(0, second.length >> 1)
    const bff = await startTestBff(afterBody(() => [streamHead(), chunk(first), chunk(half), delay(20), reset()]))
    const { bytes, isComplete } = await rawNative(bff, vendor, dialect.streamPath, dialect.streamBody)
    expect(bytes.toString().startsWith(first.toString() + half.toString())).toBe(false)
    expect(isComplete).toBe(false)
  })

  it.each([
    ['cut by its connection', [...plainAnswer().slice(0, 2), reset()]],
    ['cut within its JSON', [plainAnswer()[0] ?? delay(0), chunk(dialect.answer.slice(0, -9)), lastChunk()]],
  ])('whose answer is %s is an error', async (_, script) => {
    const bff = await startTestBff(afterBody(() => script))
    const response = await callNative(bff, vendor, dialect.path, { body: dialect.body })
    expect(response.status).toBe(502)
    expect(response.headers.get('x-ferry-error')).toBe('upstream_truncated')
    expect(response.headers.get('x-should-retry')).toBeNull()
    expect(bff.vendor.requests).toHaveLength(1)
  })

  it('that waits for its first event gets comments only where the vendor’s SDKs bear them', async () => {
    const bff = await startTestBff(
      afterBody(() => [delay(300), streamHead(), ...dialect.stream.map((event) => chunk(event)), lastChunk()]),
      { STREAM_HEARTBEAT_MS: '100' },
    )
    const text = await (await callNative(bff, vendor, dialect.streamPath, { body: dialect.streamBody })).text()
    expect(text.startsWith(': waiting')).toBe(vendor !== 'gemini')
  })
})

describe('the credential', () => {
  it.each([
    ['openai', { authorization: `Bearer ${BFF_KEY}` }, ''],
    ['openai', { 'api-key': BFF_KEY }, ''],
    ['anthropic', { authorization: `Bearer ${BFF_KEY}` }, ''],
    ['anthropic', { 'x-api-key': BFF_KEY }, ''],
    ['gemini', { 'x-goog-api-key': BFF_KEY }, ''],
    ['gemini', {}, `key=${BFF_KEY}`],
  ] as const)('of %s is taken from where its SDKs put it: %j %s', async (vendor, headers, query) => {
    const bff = await startTestBff(answers(vendor, false))
    const { path, body } = DIALECTS[vendor]
    const url = `${bff.origin}/proxy/${vendor}${path}${query && `?${query}`}`
    const given: Record<string, string> = { ...headers, 'content-type': 'application/json' }
    const response = await fetch(url, { method: 'POST', headers: given, body })
    expect(response.status).toBe(200)
    expect(bff.vendor.only.target).toBe(path)
    expect(bff.vendor.only.text).not.toContain(BFF_KEY)
    expect(bff.logLines.join('')).not.toContain(BFF_KEY)
  })

  it('is not taken from a query where the vendor has none there', async () => {
    const bff = await startTestBff(answers('openai', false))
    const url = `${bff.origin}/proxy/openai/v1/chat/completions?key=${BFF_KEY}`
    expect((await fetch(url, { method: 'POST', body: '{}' })).status).toBe(401)
  })
})

describe('headers', () => {
  it('of the caller go on, without what is about it, its way or our account', async () => {
    const bff = await startTestBff(answers('openai', false))
    await callNative(bff, 'openai', '/v1/chat/completions', {
      body: DIALECTS.openai.body,
      headers: {
        'openai-beta': 'x=1',
        'openai-organization': 'org-of-a-stranger',
        'x-forwarded-for': '10.0.0.1',
        'fastly-client-ip': '10.0.0.1',
        'x-ferry-user': 'anna',
        'x-stainless-lang': 'js',
        cookie: 'a=b',
      },
    })
    const seen = bff.vendor.only
    expect(seen.header('openai-beta')).toBe('x=1')
    expect(seen.header('x-stainless-lang')).toBe('js')
    for (const name of ['openai-organization', 'x-forwarded-for', 'fastly-client-ip', 'x-ferry-user', 'cookie']) {
      expect(seen.header(name), name).toBeUndefined()
    }
  })

  it('of the vendor come back, without those about our account', async () => {
    const bff = await startTestBff(
      afterBody(() =>
        json(200, JSON.parse(DIALECTS.openai.answer), [
          ['openai-processing-ms', '12'],
          ['openai-organization', 'our-org'],
          ['x-ratelimit-remaining-requests', '99'],
          ['set-cookie', 'a=b'],
          ['x-request-id', 'req_vendor'],
        ]),
      ),
    )
    const { headers } = await callNative(bff, 'openai', '/v1/chat/completions', { body: DIALECTS.openai.body })
    expect(headers.get('openai-processing-ms')).toBe('12')
    expect(headers.get('x-request-id')).toBe('req_vendor')
    expect(headers.get('openai-organization')).toBeNull()
    expect(headers.get('set-cookie')).toBeNull()
    expect(headers.get('x-ratelimit-remaining-requests')).toBe('59')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
  })
})

describe('usage of a streamed chat', () => {
  const answer = answers('openai', true)
  const stream = Buffer.concat([...DIALECTS.openai.stream]).toString()

  it('is asked for without another byte changed', async () => {
    const bff = await startTestBff(answer)
    const body =
      '{"model":"gpt-x", "seed":9007199254740993, "stream" : true,"messages":[{"role":"user","content":"ü"}]}'
    await (await callNative(bff, 'openai', '/v1/chat/completions', { body })).text()
    expect(bff.vendor.only.body.toString()).toBe(body.replace('{', '{"stream_options":{"include_usage":true},'))
  })

  it('is asked for beside the caller’s other options', async () => {
    const bff = await startTestBff(answer)
    const body = JSON.stringify({
      model: 'm',
      stream: true,
      stream_options: { include_obfuscation: false },
      messages: [],
    })
    await (await callNative(bff, 'openai', '/v1/chat/completions', { body })).text()
    expect(JSON.parse(bff.vendor.only.body.toString())).toMatchObject({
      stream_options: { include_obfuscation: false, include_usage: true },
    })
  })

  it('is left to who asked for it', async () => {
    const bff = await startTestBff(answer)
    const body = JSON.stringify({ model: 'm', stream: true, stream_options: { include_usage: true }, messages: [] })
    expect(await (await callNative(bff, 'openai', '/v1/chat/completions', { body })).text()).toBe(stream)
    expect(bff.vendor.only.body.toString()).toBe(body)
  })
})

describe('the chat path', () => {
  it('of a vendor that has none is the normalized chat', async () => {
    const bff = await startTestBff(answers('anthropic', false))
    for (const path of ['/proxy/anthropic/chat/completions', '/proxy/anthropic/v1/chat/completions']) {
      const response = await fetch(bff.origin + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${BFF_KEY}`, 'content-type': 'application/json' },
        body: DIALECTS.openai.body,
      })
      expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'Hello there' } }] })
    }
  })

  it('of a vendor of that dialect is its own, with fields of its own', async () => {
    const bff = await startTestBff(answers('openai', false))
    const body = '{"model":"deepseek-x","messages":[],"made_up":1}'
    const response = await fetch(`${bff.origin}/proxy/second/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${BFF_KEY}`, 'content-type': 'application/json' },
      body,
    })
    expect(response.status).toBe(200)
    expect(bff.vendor.only.target).toBe('/v1/chat/completions')
    expect(bff.vendor.only.body.toString()).toBe(body)
  })
})
