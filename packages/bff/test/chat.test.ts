import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { rightAnswer, DIALECTS as WIRE } from '../../../test/testkit/dialects.ts'
import { eventually } from '../../../test/testkit/eventually.ts'
import { afterBody, chunk, delay, fin, hang, lastChunk, reset } from '../../../test/testkit/scripted-vendor.ts'
import {
  BFF_KEY,
  errorOf,
  json,
  payloads,
  plainAnswer,
  startTestBff,
  streamAnswer,
  streamEvents,
  streamHead,
  textOf,
  VENDOR_KEY,
} from './support.ts'

const overloaded = { error: { message: 'The server is overloaded', type: 'server_error', code: null, param: null } }

const wrong = { error: { message: 'bad temperature', type: 'invalid_request_error', code: null, param: 'temperature' } }

describe('a whole answer', () => {
  it('comes back normalized, with what it took in headers', async () => {
    const { chat, vendor } = await startTestBff(afterBody(() => plainAnswer()))
    const response = await chat()
    expect(response.status).toBe(200)
    const body = (await response.json()) as { choices: { message: { content: string } }[] }
    expect(body.choices[0]?.message.content).toBe('Hello there')
    expect(response.headers.get('x-ferry-vendor')).toBe('openai')
    expect(response.headers.get('x-ferry-model')).toBe('gpt-x')
    expect(response.headers.get('x-ferry-attempts')).toBe('1')
    expect(response.headers.get('x-ferry-request-id')).toMatch(/^req_/)
    expect(vendor.only.header('authorization')).toBe(`Bearer ${VENDOR_KEY}`)
    expect(vendor.only.text).not.toContain(BFF_KEY)
  })

  it('that is cut is an error, and nothing is repeated', async () => {
    const { chat, vendor } = await startTestBff(afterBody(() => [...plainAnswer().slice(0, 2), reset()]))
    const response = await chat()
    expect(response.status).toBe(502)
    expect(await errorOf(response)).toMatchObject({ code: 'upstream_truncated', type: 'api_error' })
    expect(vendor.requests).toHaveLength(1)
  })
})

describe('a stream', () => {
  it('is passed on chunk by chunk and ends with its terminator', async () => {
    const { chat } = await startTestBff(afterBody(() => streamAnswer()))
    const response = await chat({ stream: true })
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    const text = await response.text()
    expect(payloads(text).at(-1)).toBe('[DONE]')
    expect(textOf(text).length).toBeGreaterThan(0)
  })

  it('shows usage only to who asked for it', async () => {
    const { chat } = await startTestBff(afterBody(() => streamAnswer()))
    const silent = await (await chat({ stream: true })).text()
    const asked = await (await chat({ stream: true, stream_options: { include_usage: true } })).text()
    expect(silent).not.toContain('"prompt_tokens"')
    expect(asked).toContain('"prompt_tokens"')
    expect(textOf(silent)).toBe(textOf(asked))
  })

  it.each([
    ['reset', reset()],
    ['a clean end', lastChunk()],
    ['a clean end of the connection', fin()],
  ])('that breaks off by %s ends with an error event and without a terminator', async (_, ending) => {
    const { chat, vendor } = await startTestBff(
      afterBody(() => [streamHead(), ...streamEvents().slice(0, 3), delay(20), ending]),
    )
    const events = payloads(await (await chat({ stream: true })).text())
    expect(events).not.toContain('[DONE]')
    expect(JSON.parse(events.at(-1) ?? '')).toMatchObject({ error: { code: 'upstream_truncated' } })
    expect(vendor.requests).toHaveLength(1)
  })

  it('passes on the vendor’s error in mid-stream with its code', async () => {
    const error = {
      error: { message: 'slow down', type: 'rate_limit_error', code: 'rate_limit_exceeded', param: null },
    }
    const { chat } = await startTestBff(
      afterBody(() => [
        streamHead(),
        ...streamEvents().slice(0, 2),
        chunk(`data: ${JSON.stringify(error)}\n\n`),
        lastChunk(),
      ]),
    )
    const events = payloads(await (await chat({ stream: true })).text())
    expect(JSON.parse(events.at(-1) ?? '')).toMatchObject({ error: { code: 'vendor_rate_limited' } })
  })

  it('is ended at the vendor within a second when the caller leaves', async () => {
    const { chat, vendor, logLines } = await startTestBff(
      afterBody(() => [streamHead(), ...streamEvents().slice(0, 2), hang()]),
    )
    const leave = new AbortController()
    const response = await chat({ stream: true }, { signal: leave.signal })
    await response.body?.getReader().read()
    const leftAt = performance.now()
    leave.abort()
    const closing = await vendor.only.closed
    expect(closing.at - leftAt).toBeLessThan(1000)
    await eventually('the access line says so', () => logLines.some((line) => line.includes('"error":"client_closed"')))
  })

  it('is ended at the vendor when the caller leaves before the first event', async () => {
    const { chat, vendor } = await startTestBff(afterBody(() => [hang()]))
    const leave = new AbortController()
    const answer = chat({ stream: true }, { signal: leave.signal }).catch(() => 'left')
    const request = await vendor.received()
    leave.abort()
    expect(await answer).toBe('left')
    await request.closed
  })

  it('that falls silent is ended', async () => {
    const { chat, vendor } = await startTestBff(
      afterBody(() => [streamHead(), ...streamEvents().slice(0, 2), hang()]),
      {
        STREAM_IDLE_TIMEOUT_MS: '200',
      },
    )
    const events = payloads(await (await chat({ stream: true })).text())
    expect(JSON.parse(events.at(-1) ?? '')).toMatchObject({ error: { code: 'upstream_timeout' } })
    await vendor.only.closed
  })
})

describe('repeats', () => {
  it('a vendor’s own retryable error, after the pause that it asked for', async () => {
    const times: number[] = []
    const { chat, vendor } = await startTestBff(
      afterBody(() => {
        times.push(performance.now())
        return times.length === 1 ? json(429, overloaded, [['retry-after', '2']]) : plainAnswer()
      }),
    )
    const response = await chat()
    expect(response.status).toBe(200)
    expect(response.headers.get('x-ferry-attempts')).toBe('2')
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(1990)
    expect(vendor.requests).toHaveLength(2)
  })

  it('a stream whose first event is an error of the vendor', async () => {
    let calls = 0
    const { chat } = await startTestBff(
      afterBody(() =>
        ++calls === 1 ? [streamHead(), chunk(`data: ${JSON.stringify(overloaded)}\n\n`), lastChunk()] : streamAnswer(),
      ),
    )
    const response = await chat({ stream: true })
    expect(payloads(await response.text()).at(-1)).toBe('[DONE]')
    expect(response.headers.get('x-ferry-attempts')).toBe('2')
  })

  it('no request that the vendor may have seen', async () => {
    const { chat, vendor } = await startTestBff(afterBody(() => [reset()]))
    const response = await chat()
    expect(await errorOf(response)).toMatchObject({ code: 'upstream_truncated' })
    expect(vendor.requests).toHaveLength(1)
  })

  it('no stream that broke before its first event', async () => {
    const { chat, vendor } = await startTestBff(afterBody(() => [streamHead(), delay(20), reset()]))
    expect(await errorOf(await chat({ stream: true }))).toMatchObject({ code: 'upstream_truncated' })
    expect(vendor.requests).toHaveLength(1)
  })

  it('no call whose time is up', async () => {
    const { chat, vendor } = await startTestBff(
      afterBody(() => [hang()]),
      { REQUEST_TIMEOUT_MS: '300' },
    )
    const response = await chat()
    expect(response.status).toBe(504)
    expect(response.headers.get('x-should-retry')).toBe('false')
    expect(await errorOf(response)).toMatchObject({ code: 'upstream_timeout' })
    await vendor.only.closed
  })

  it('nothing when the vendor asks for a longer pause than there is time', async () => {
    const { chat, vendor } = await startTestBff(
      afterBody(() => json(503, overloaded, [['retry-after', '30']])),
      {
        REQUEST_TIMEOUT_MS: '2000',
      },
    )
    const response = await chat()
    expect(response.status).toBeGreaterThanOrEqual(500)
    expect(response.headers.get('retry-after')).toBe('30')
    expect(vendor.requests).toHaveLength(1)
  })

  it('at most MAX_RETRIES times', async () => {
    const { chat, vendor } = await startTestBff(
      afterBody(() => json(500, overloaded)),
      { MAX_RETRIES: '1' },
    )
    expect((await chat()).status).toBeGreaterThanOrEqual(500)
    expect(vendor.requests).toHaveLength(2)
  })

  it('at the next target of an alias at once', async () => {
    let calls = 0
    const { chat } = await startTestBff(
      afterBody(() => (++calls === 1 ? json(500, overloaded) : plainAnswer())),
      {},
      'aliases:\n  smart: [openai/gpt-x, second/gpt-y]\n',
    )
    const startedAt = performance.now()
    const response = await chat({ model: 'smart' })
    expect(response.headers.get('x-ferry-vendor')).toBe('second')
    expect(response.headers.get('x-ferry-model')).toBe('gpt-y')
    expect(performance.now() - startedAt).toBeLessThan(900)
  })

  it('nothing for an error that a repeat cannot cure', async () => {
    const { chat, vendor } = await startTestBff(afterBody(() => json(400, wrong)))
    const response = await chat()
    expect(response.status).toBe(400)
    expect(await errorOf(response)).toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('bad temperature'),
    })
    expect(vendor.requests).toHaveLength(1)
  })
})

describe('refuses', () => {
  const unreached = afterBody(() => plainAnswer())

  it.each([
    ['no key', {}],
    ['an unknown key', { authorization: 'Bearer wrong-key-0123456789' }],
    ['two keys', { authorization: `Bearer ${BFF_KEY}`, 'x-api-key': BFF_KEY }],
  ])('%s', async (_, headers) => {
    const { origin, vendor } = await startTestBff(unreached)
    const response = await fetch(`${origin}/v1/chat/completions`, {
      method: 'POST',
      body: '{}',
      headers: { ...headers } as Record<string, string>,
    })
    expect(response.status).toBe(401)
    expect(response.headers.get('x-ferry-error')).toBe('authentication_failed')
    expect(vendor.requests).toHaveLength(0)
  })

  it.each([
    ['text that is no JSON', '{"model":', 400, 'invalid_request'],
    ['an empty body', '', 400, 'invalid_request'],
    ['a body over the limit', JSON.stringify({ model: 'x', messages: ['x'.repeat(3000)] }), 413, 'request_too_large'],
    [
      'a model that nobody serves',
      JSON.stringify({ model: 'nobody/x', messages: [{ role: 'user', content: 'x' }] }),
      404,
      'model_not_found',
    ],
  ])('%s', async (_, body, status, code) => {
    const { chat, vendor } = await startTestBff(unreached, { MAX_BODY_BYTES: '2000' })
    const response = await chat({}, { body })
    expect(response.status).toBe(status)
    expect((await errorOf(response)).code).toBe(code)
    expect(vendor.requests).toHaveLength(0)
  })

  it.each([
    ['{"model": secret prompt}', ':'],
    ['{"model": "m",\n "secret": {1}}', ' at line 2, column 13:'],
    ['{"secret": "m"', ' at line 1, column 15:'],
    ['{"secret": ', ', it ends too early:'],
    ['{"secret": 1}\nsecret', ' at line 2, column 1:'],
    ['secret', ':'],
  ])('text that is no JSON without quoting it (%#)', async (body, where) => {
    const { chat } = await startTestBff(unreached)
    const error = await errorOf(await chat({}, { body }))
    expect(error.message).toBe(`The body is not valid JSON${where} check quotes, commas and brackets`)
    expect(JSON.stringify(error)).not.toContain('secret')
  })

  it('a field of the wrong kind, by name', async () => {
    const { chat } = await startTestBff(unreached)
    const error = await errorOf(await chat({ temperature: 'hot' }))
    expect(error).toMatchObject({ code: 'invalid_request', param: 'temperature' })
  })

  it('a small body that unpacks to more than the limit', async () => {
    const { chat } = await startTestBff(unreached, { MAX_BODY_BYTES: '100000' })
    const bomb = gzipSync(Buffer.alloc(5_000_000, ' '))
    const response = await chat({}, { body: bomb, headers: { 'content-encoding': 'gzip' } })
    expect(response.status).toBe(413)
  })

  it('a route that does not exist, and a method that a route does not take', async () => {
    const { origin } = await startTestBff(unreached)
    expect((await fetch(`${origin}/nowhere`)).status).toBe(404)
    const wrong = await fetch(`${origin}/v1/chat/completions`)
    expect(wrong.status).toBe(405)
    expect((await errorOf(wrong)).code).toBe('method_not_allowed')
  })
})

describe('takes', () => {
  it('a compressed body', async () => {
    const { chat } = await startTestBff(afterBody(() => plainAnswer()))
    const body = gzipSync(JSON.stringify({ model: 'openai/gpt-x', messages: [{ role: 'user', content: 'Hi' }] }))
    expect((await chat({}, { body, headers: { 'content-encoding': 'gzip' } })).status).toBe(200)
  })

  it.each(['openai', 'anthropic', 'gemini'] as const)(
    'VoiceBox’s path on %s: OpenAI’s chat, plain and streamed',
    async (name) => {
      const { origin, vendor } = await startTestBff(
        afterBody(({ target, text }) =>
          rightAnswer(WIRE[name], text.includes('"stream":true') || target.includes('streamGenerateContent')),
        ),
      )
      for (const version of ['', '/v1']) {
        const ask = async (stream: boolean): Promise<Response> =>
          fetch(`${origin}/proxy/${name}${version}/chat/completions`, {
            method: 'POST',
            body: JSON.stringify({
              model: 'some-model',
              messages: [{ role: 'user', content: 'Hi' }],
              max_tokens: 50,
              stream,
            }),
            headers: { authorization: `Bearer ${BFF_KEY}`, 'content-type': 'application/json' },
          })
        const whole = (await (await ask(false)).json()) as { choices: { message: { content: string } }[] }
        expect(whole.choices[0]?.message.content).toBe('Hello there')
        const streamed = await (await ask(true)).text()
        expect(textOf(streamed).length).toBeGreaterThan(0)
        expect(payloads(streamed).at(-1)).toBe('[DONE]')
      }
      expect(vendor.requests.map(({ target }) => target.replace(/[:?].*/, ''))).toEqual(
        Array(4).fill(
          name === 'openai'
            ? '/v1/chat/completions'
            : name === 'anthropic'
              ? '/v1/messages'
              : '/v1beta/models/some-model',
        ),
      )
    },
  )

  const older = {
    functions: [{ name: 'weather', parameters: { type: 'object', properties: {} } }],
    function_call: 'auto',
    messages: [
      { role: 'user', content: 'Weather?' },
      { role: 'assistant', content: null, function_call: { name: 'weather', arguments: '{}' } },
      { role: 'function', name: 'weather', content: '20 degrees' },
    ],
  }

  it('OpenAI’s older functions on its own dialect, unchanged both ways', async () => {
    const called = { role: 'assistant', content: null, function_call: { name: 'weather', arguments: '{}' } }
    const answer = JSON.parse(WIRE.openai.answer) as object
    const { chat, vendor } = await startTestBff(
      afterBody(() =>
        json(200, { ...answer, choices: [{ index: 0, message: called, finish_reason: 'function_call' }] }),
      ),
    )
    const body = (await (await chat(older)).json()) as { choices: { message: object; finish_reason: string }[] }
    expect(body.choices[0]).toMatchObject({
      message: { function_call: called.function_call },
      finish_reason: 'function_call',
    })
    const sent = JSON.parse(vendor.only.body.toString()) as typeof older
    expect(sent).toMatchObject({ functions: older.functions, function_call: 'auto' })
    expect(sent.messages[1]).toMatchObject({ function_call: { name: 'weather' } })
    expect(sent.messages[2]).toEqual(older.messages[2])
  })

  it.each([
    ['functions', { functions: older.functions }, /use `tools`/],
    ['function_call', { function_call: 'auto' }, /use `tool_choice`/],
    ['messages[1].function_call', { messages: older.messages }, /use `tool_calls`/],
    ['messages[1].role', { messages: [older.messages[0], older.messages[2]] }, /use `tool` with a `tool_call_id`/],
  ])('no older %s on another dialect, and says what to use', async (param, body, message) => {
    const { chat, vendor } = await startTestBff(afterBody(() => plainAnswer()))
    for (const model of ['anthropic/claude-x', 'gemini/gemini-x']) {
      const error = await errorOf(await chat({ model, ...body }))
      expect(error).toMatchObject({ code: 'unsupported_parameter', param })
      expect(error.message).toMatch(message)
    }
    expect(vendor.requests).toHaveLength(0)
  })

  it('VoiceBox’s path, where the vendor is in the path', async () => {
    const { origin, vendor } = await startTestBff(afterBody(() => plainAnswer()))
    for (const path of ['/proxy/openai/chat/completions', '/proxy/second/v1/chat/completions']) {
      const response = await fetch(origin + path, {
        method: 'POST',
        body: JSON.stringify({ model: 'gpt-x', messages: [{ role: 'user', content: 'Hi' }] }),
        headers: { authorization: `Bearer ${BFF_KEY}`, 'content-type': 'application/json' },
      })
      expect(response.status).toBe(200)
    }
    expect(vendor.requests).toHaveLength(2)
  })
})

describe('requests a minute', () => {
  it('are counted per end user, and a refusal says when to come back', async () => {
    const { chat } = await startTestBff(
      afterBody(() => plainAnswer()),
      { RATE_LIMIT_RPM: '2' },
    )
    const as = (user: string) => chat({}, { headers: { 'x-ferry-user': user } })
    expect((await as('anna')).headers.get('x-ratelimit-remaining-requests')).toBe('1')
    expect((await as('anna')).status).toBe(200)
    const refused = await as('anna')
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await errorOf(refused)).toMatchObject({ code: 'rate_limit_exceeded', type: 'rate_limit_error' })
    expect((await as('bert')).status).toBe(200)
  })

  it('count a user as one however it is encoded, and refuse what is no name', async () => {
    const { chat } = await startTestBff(
      afterBody(() => plainAnswer()),
      { RATE_LIMIT_RPM: '3' },
    )
    const as = (user: string) => chat({}, { headers: { 'x-ferry-user': user } })
    for (const user of [encodeURIComponent('安娜'), '%e5%ae%89%e5%a8%9c']) expect((await as(user)).status).toBe(200)
    expect((await chat({ user: '安娜' })).status).toBe(200)
    expect((await as(encodeURIComponent('安娜'))).status).toBe(429)
    expect((await as(encodeURIComponent('50%'))).status).toBe(200)
    for (const broken of ['50%', '%zz', '%e5%ae', 'Jos\u00e9']) {
      const refused = await as(broken)
      expect(refused.status).toBe(400)
      expect(await errorOf(refused)).toMatchObject({
        param: 'x-ferry-user',
        message: expect.stringContaining('encodeURIComponent'),
      })
    }
  })

  it('do not count what never reached a vendor', async () => {
    const { chat, vendor } = await startTestBff(
      afterBody(() => plainAnswer()),
      { RATE_LIMIT_RPM: '1', MAX_RETRIES: '0' },
    )
    await vendor.stop()
    for (let i = 0; i < 3; i++) expect((await errorOf(await chat())).code).toBe('upstream_unreachable')
  })
})

describe('while a vendor is silent', () => {
  it('sends its head and comments, and says later what could not be a header', async () => {
    const { chat } = await startTestBff(
      afterBody(() => [streamHead(), delay(400), ...streamEvents(), lastChunk()]),
      {
        STREAM_HEARTBEAT_MS: '100',
      },
    )
    const response = await chat({ stream: true })
    const text = await response.text()
    expect(text.startsWith(': waiting\n\n')).toBe(true)
    expect(response.headers.get('x-ferry-vendor')).toBeNull()
    expect(JSON.parse(payloads(text)[0] ?? '')).toMatchObject({
      ferry: { 'x-ferry-vendor': 'openai', 'x-ferry-attempts': '1' },
    })
    expect(payloads(text).at(-1)).toBe('[DONE]')
  })

  it('reports a failure after the head as an error event', async () => {
    const { chat } = await startTestBff(
      afterBody(() => [delay(300), ...json(400, wrong)]),
      { STREAM_HEARTBEAT_MS: '100' },
    )
    const response = await chat({ stream: true })
    expect(response.status).toBe(200)
    const events = payloads(await response.text())
    expect(events).toHaveLength(1)
    expect(JSON.parse(events[0] ?? '')).toHaveProperty('error.code')
  })
})

describe('every answer', () => {
  it('carries security headers and an id that leads to its log line, which holds no prompt and no key', async () => {
    const { chat, origin, logLines } = await startTestBff(afterBody(() => plainAnswer()))
    const response = await chat({ messages: [{ role: 'user', content: 'a very private prompt' }] })
    await response.text()
    for (const answer of [response, await fetch(`${origin}/health`), await fetch(`${origin}/nowhere`)]) {
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
      expect(answer.headers.get('x-frame-options')).toBe('SAMEORIGIN')
    }
    const id = response.headers.get('x-ferry-request-id') ?? ''
    await eventually('the access line', () => logLines.some((line) => line.includes(id)))
    const log = logLines.join('')
    expect(log).toContain('"keyName":"app"')
    for (const secret of ['private prompt', 'Hello there', BFF_KEY, VENDOR_KEY]) expect(log).not.toContain(secret)
  })
})
