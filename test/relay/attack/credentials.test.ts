import { describe, expect, it } from 'vitest'
import { chatBytes, DIALECTS, type Dialect, requestBytes } from '../../testkit/dialects.ts'
import type { Field } from '../../testkit/http-reader.ts'
import { exchange } from '../../testkit/raw-client.ts'
import { RELAY_ENTRY, RELAY_TOKEN, relayEnv, startFailing, VENDOR_KEYS, VENDORS } from '../../testkit/services.ts'
import { expectRefusal, relayRig } from '../rig.ts'

const SECOND_TOKEN = 'relay-token-second-0123456789abcdef'
const REFUSED = { status: 401, code: 'authentication_failed' } as const

describe('credentials', () => {
  const rig = relayRig({ RELAY_TOKENS: `app:${RELAY_TOKEN},next:${SECOND_TOKEN}` })
  const call = (dialect: Dialect, headers: readonly Field[], query = '') =>
    exchange(
      rig.relay.port,
      requestBytes({ target: `/proxy/${dialect.vendor}${dialect.path}${query}`, headers, body: dialect.body }),
    )

  // Strangers scan the internet for open relays within hours. Each of these must look to the vendor's SDK like the
  // vendor's own 401, and reach nobody.
  describe.each(VENDORS)('%s refuses', (vendor) => {
    const dialect = DIALECTS[vendor]
    const [name, right] = dialect.credential
    const WRONG: Readonly<Record<string, readonly Field[]>> = {
      none: [],
      'an empty one': [[name, '']],
      'an empty Bearer': [['authorization', 'Bearer ']],
      'another one': [[name, right.replace('caller', 'killer')]],
      'a prefix of the token': [[name, right.slice(0, -1)]],
      'the token and more': [[name, `${right}0`]],
      'the token in capitals': [[name, right.replace(RELAY_TOKEN, RELAY_TOKEN.toUpperCase())]],
      'the token with its name': [[name, right.replace(RELAY_TOKEN, `app:${RELAY_TOKEN}`)]],
      "the token's name": [[name, right.replace(RELAY_TOKEN, 'app')]],
      'the list of tokens': [[name, right.replace(RELAY_TOKEN, `${RELAY_TOKEN},${SECOND_TOKEN}`)]],
      Basic: [['authorization', `Basic ${Buffer.from(`app:${RELAY_TOKEN}`).toString('base64')}`]],
      'the token without Bearer': [['authorization', RELAY_TOKEN]],
      "the vendor's own key": [dialect.vendorCredential],
      'the token as a cookie': [['cookie', `token=${RELAY_TOKEN}; authorization=Bearer ${RELAY_TOKEN}`]],
      'the token for a proxy': [['proxy-authorization', `Bearer ${RELAY_TOKEN}`]],
      'the token in a header of ours': [['x-ferry-token', RELAY_TOKEN]],
      'one token twice': [
        [name, right],
        [name, right],
      ],
      // Which of two would count, and which would travel? Smuggling a second key past the first check is how callers
      // charge someone else.
      'two tokens in two places': [
        ['authorization', `Bearer ${RELAY_TOKEN}`],
        ['x-api-key', RELAY_TOKEN],
        ['x-goog-api-key', SECOND_TOKEN],
      ],
      'a token and a foreign key': [
        ['authorization', `Bearer ${vendor === 'openai' ? RELAY_TOKEN : 'sk-foreign-key-0123456789'}`],
        [
          vendor === 'gemini' ? 'x-goog-api-key' : 'x-api-key',
          vendor === 'openai' ? 'sk-foreign-key-0123456789' : RELAY_TOKEN,
        ],
      ],
    }
    for (const [story, headers] of Object.entries(WRONG)) {
      it(story, async () => {
        expectRefusal(await call(dialect, headers), dialect, REFUSED)
        expect(rig.vendor.requests).toEqual([])
      })
    }
  })

  // Query strings end in the access logs of every proxy on the way; only Gemini's SDKs leave us no choice.
  it.each(['openai', 'anthropic'] as const)('%s refuses the token in the query', async (vendor) => {
    for (const query of ['key', 'api_key', 'token', 'access_token']) {
      expectRefusal(await call(DIALECTS[vendor], [], `?${query}=${RELAY_TOKEN}`), DIALECTS[vendor], REFUSED)
    }
    expect(rig.vendor.requests).toEqual([])
  })

  it('takes the token in the query of a Gemini path, and passes the rest of the query', async () => {
    const answer = await call(DIALECTS.gemini, [], `?a=1&key=${RELAY_TOKEN}&alt=json&a=2`)
    expect(answer.status).toBe(200)
    const { target, text } = rig.vendor.only
    expect(target.replace(/&?key=[^&]*/, '')).toBe('/v1beta/models/gemini-x:generateContent?a=1&alt=json&a=2')
    expect(text).toContain(VENDOR_KEYS.gemini)
  })

  it('refuses a Gemini token in the query beside one in the header, and two in the query', async () => {
    expectRefusal(
      await call(DIALECTS.gemini, [DIALECTS.gemini.credential], `?key=${RELAY_TOKEN}`),
      DIALECTS.gemini,
      REFUSED,
    )
    expectRefusal(await call(DIALECTS.gemini, [], `?key=${RELAY_TOKEN}&key=${SECOND_TOKEN}`), DIALECTS.gemini, REFUSED)
    expectRefusal(await call(DIALECTS.gemini, [], `?key=x&k%65y=${RELAY_TOKEN}`), DIALECTS.gemini, REFUSED)
    expect(rig.vendor.requests).toEqual([])
  })

  it.each(VENDORS)('swaps the token of %s for the key, where the SDK puts it', async (vendor) => {
    const dialect = DIALECTS[vendor]
    const answer = await exchange(rig.relay.port, chatBytes(dialect))
    expect(answer.status).toBe(200)
    expect(rig.vendor.only.header(dialect.vendorCredential[0])).toBe(dialect.vendorCredential[1])
  })

  it("takes the token where anthropic's SDKs put it: x-api-key until 0.x, Authorization from 1.x", async () => {
    expect((await call(DIALECTS.anthropic, [['authorization', `Bearer ${RELAY_TOKEN}`]])).status).toBe(200)
    expect((await call(DIALECTS.anthropic, [['x-api-key', RELAY_TOKEN]])).status).toBe(200)
    for (const { text } of rig.vendor.requests) expect(text).toContain(VENDOR_KEYS.anthropic)
  })

  it('knows the scheme in any letter case (RFC 9110 section 11.1)', async () => {
    expect((await call(DIALECTS.openai, [['authorization', `bearer ${RELAY_TOKEN}`]])).status).toBe(200)
  })

  it('knows several tokens, so that one can be replaced while both work', async () => {
    expect((await call(DIALECTS.openai, [['authorization', `Bearer ${SECOND_TOKEN}`]])).status).toBe(200)
    expect(rig.vendor.only.text).not.toContain(SECOND_TOKEN)
    expect(rig.relay.log()).not.toContain(SECOND_TOKEN)
  })

  // Whoever reads logs or metrics must not gain a credential by it. The rig looks for the secrets in every test's log;
  // here the requests are those whose URLs hold one.
  it('keeps credentials of queries out of log and metrics', async () => {
    const wrong = 'AIza-stranger-0123456789'
    await call(DIALECTS.gemini, [], `?key=${RELAY_TOKEN}`)
    await call(DIALECTS.gemini, [], `?key=${wrong}`)
    await call(DIALECTS.openai, [], `?api_key=${wrong}&access_token=${wrong}`)
    await exchange(rig.relay.port, requestBytes({ method: 'GET', target: `/nowhere?key=${wrong}` }))
    await exchange(rig.relay.port, requestBytes({ method: 'GET', target: `/proxy/gemini/ws/x?access_token=${wrong}` }))
    const metrics = await (await fetch(`http://127.0.0.1:${rig.relay.metricsPort}/metrics`)).text()
    for (const secret of [wrong, RELAY_TOKEN, SECOND_TOKEN, ...Object.values(VENDOR_KEYS)]) {
      expect(rig.relay.log()).not.toContain(secret)
      expect(metrics).not.toContain(secret)
    }
  })
})

describe('a start without tokens', () => {
  it('is refused with the name of the variable', async () => {
    const { RELAY_TOKENS: _, ...env } = relayEnv('http://127.0.0.1:9')
    const { code, log } = await startFailing(RELAY_ENTRY, env)
    expect(code).not.toBe(0)
    expect(log).toContain('RELAY_TOKENS')
  })

  it('is refused when the token is short enough to be guessed', async () => {
    const { code, log } = await startFailing(
      RELAY_ENTRY,
      relayEnv('http://127.0.0.1:9', { RELAY_TOKENS: 'app:secret' }),
    )
    expect(code).not.toBe(0)
    expect(log).toContain('RELAY_TOKENS')
    expect(log).not.toContain('secret"')
  })
})

// The token has leaked, and only the address list stands between a stranger and the bill.
describe('the address list', () => {
  const forwarded = (value: string): readonly Field[] => [['X-Forwarded-For', value]]
  const DENIED = { status: 403, code: 'permission_denied' } as const

  describe('without a trusted proxy', () => {
    const rig = relayRig({ RELAY_ALLOWED_IPS: '10.0.0.0/8,2001:db8::/32' })
    it.each(['10.1.2.3', '2001:db8::1', '10.1.2.3, 127.0.0.1', '127.0.0.1, 10.1.2.3'])(
      'believes no X-Forwarded-For: %s',
      async (spoofed) => {
        const answer = await exchange(rig.relay.port, chatBytes(DIALECTS.openai, { headers: forwarded(spoofed) }))
        expectRefusal(answer, DIALECTS.openai, DENIED)
        expect(rig.vendor.requests).toEqual([])
      },
    )
    it('believes no other header either', async () => {
      for (const name of [
        'Forwarded',
        'X-Real-IP',
        'X-Client-IP',
        'CF-Connecting-IP',
        'True-Client-IP',
        'X-Cluster-Client-IP',
      ]) {
        const value = name === 'Forwarded' ? 'for=10.1.2.3' : '10.1.2.3'
        const answer = await exchange(rig.relay.port, chatBytes(DIALECTS.openai, { headers: [[name, value]] }))
        expect(answer.status).toBe(403)
      }
      expect(rig.vendor.requests).toEqual([])
    })
    it('answers /health to everyone, because load balancers ask', async () => {
      expect((await fetch(`${rig.relay.origin}/health`)).status).toBe(200)
    })
  })

  describe('behind a trusted proxy', () => {
    const rig = relayRig({
      RELAY_ALLOWED_IPS: '10.0.0.0/8,2001:db8::/32',
      TRUSTED_PROXIES: '127.0.0.0/8,192.168.0.0/16',
    })
    const status = async (...headers: readonly Field[]): Promise<number> =>
      (await exchange(rig.relay.port, chatBytes(DIALECTS.openai, { headers }))).status

    it.each(['10.1.2.3', '8.8.8.8, 10.1.2.3', '10.1.2.3, 192.168.7.7', ' 10.1.2.3 ', '2001:db8::1', '::ffff:10.1.2.3'])(
      'lets the rightmost untrusted address in: %s',
      async (value) => {
        expect(await status(...forwarded(value))).toBe(200)
      },
    )
    // The caller writes the left end of the list, the proxy appends what it saw: only the right end is true.
    it.each([
      '8.8.8.8',
      '10.1.2.3, 8.8.8.8',
      '10.1.2.3, 8.8.8.8, 192.168.7.7',
      'nonsense',
      '10.1.2.3, nonsense',
      '10.1.2.3.4',
      '',
    ])('keeps out: %s', async (value) => {
      expect(await status(...forwarded(value))).toBe(403)
      expect(rig.vendor.requests).toEqual([])
    })
    it('reads several headers as one list', async () => {
      expect(await status(['X-Forwarded-For', '10.1.2.3'], ['X-Forwarded-For', '8.8.8.8'])).toBe(403)
      expect(await status(['X-Forwarded-For', '8.8.8.8'], ['X-Forwarded-For', '10.1.2.3'])).toBe(200)
    })
    it('keeps the proxy itself out when it names nobody', async () => {
      expect(await status()).toBe(403)
    })
  })
})
