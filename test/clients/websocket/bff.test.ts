import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { GoogleGenAI, Modality } from '@google/genai'
import { type Bff, startBff } from '@llm-ferry/bff'
import { createLogger, Registry } from '@llm-ferry/kit'
import { createRelay, readRelayConfig } from '@llm-ferry/relay'
import OpenAI from 'openai'
import { OpenAIRealtimeWebSocket } from 'openai/realtime/websocket'
import { OpenAIRealtimeWS } from 'openai/realtime/ws'
import { ResponsesWS } from 'openai/resources/responses/ws'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { readConfig } from '../../../packages/bff/src/config.ts'
import { type Certificates, createCertificates } from '../../testkit/certs.ts'
import { eventually } from '../../testkit/eventually.ts'
import { freePort } from '../../testkit/ports.ts'
import { hang, head, raw, type Script, ScriptedVendor, type Step } from '../../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, relayEnv, VENDOR_KEYS } from '../../testkit/services.ts'
import { startTlsFront } from '../../testkit/tls-front.ts'
import { clientFrame, closeFrame, frame, session } from './rig.ts'

const FULL_KEY = 'bff-key-of-voice-0123456789'
const PLAIN_KEY = 'bff-key-of-plain-0123456789'
const ADMIN = 'admin-token-0123456789abcdef'
const say = (event: object): Step => raw(frame(1, JSON.stringify(event)))
const CREATED = say({ type: 'session.created', event_id: 'e1', session: { type: 'realtime' } })
const done = (input: number, output: number): Step =>
  say({
    type: 'response.done',
    event_id: 'e2',
    response: {
      id: 'resp_1',
      status: 'completed',
      usage: {
        total_tokens: input + output,
        input_tokens: input,
        output_tokens: output,
        input_token_details: { cached_tokens: 4 },
      },
    },
  })

interface Line {
  readonly [field: string]: unknown
}

// openai's clients open WebSockets over TLS only: something like nginx stands in front of the BFF.
let certificates: Certificates
const defaults = getCACertificates('default')
beforeAll(() => {
  certificates = createCertificates()
  setDefaultCACertificates([...defaults, certificates.ca])
})
afterAll(() => {
  setDefaultCACertificates(defaults)
  certificates.remove()
})

/** A vendor, a relay and a BFF in this process. */
class Chain {
  readonly #folder = mkdtempSync(join(tmpdir(), 'ferry-ws-'))
  readonly #stops: (() => Promise<unknown>)[] = []
  readonly lines: string[] = []
  vendor!: ScriptedVendor
  bff!: Bff
  #front = 0

  async start(script: Script, env: Record<string, string> = {}, yaml = '', direct = false, before = ''): Promise<this> {
    this.vendor = await ScriptedVendor.start({ script })
    const log = createLogger('test', 'info', { write: (line: string) => void this.lines.push(line) })
    const relayConfig = { ...relayEnv(this.vendor.origin), HOST: '127.0.0.1', PORT: '0', DRAIN_TIMEOUT_MS: '50' }
    const relay = createRelay(readRelayConfig(relayConfig), { log, registry: new Registry() })
    const relayPort = await relay.listen()
    const file = join(this.#folder, 'ferry.yaml')
    const own = direct
      ? `vendors: { openai: { dialect: openai, origin: "${this.vendor.origin}", apiKey: ${VENDOR_KEYS.openai} } }\n`
      : ''
    writeFileSync(
      file,
      `${own}keys: { voice: { native: full${yaml} } }\nprices: { openai/gpt-realtime: { input: 1000, output: 1000 } }\n`,
    )
    const config = readConfig({
      PORT: '0',
      HOST: '127.0.0.1',
      METRICS_PORT: String(await freePort()),
      BFF_KEYS: `voice:${FULL_KEY},plain:${PLAIN_KEY}`,
      RELAY_URLS: `${before}http://127.0.0.1:${relayPort}`,
      RELAY_TOKEN,
      FERRY_CONFIG: file,
      LEDGER_FILE: join(this.#folder, 'ledger.jsonl'),
      ...env,
    })
    this.bff = await startBff(config, log)
    const front = await startTlsFront(certificates, this.bff.port)
    this.#front = front.port
    this.#stops.push(async () => front.stop())
    this.#stops.push(
      () => this.vendor.stop(),
      () => this.bff.stop(),
      () => relay.stop(),
    )
    return this
  }

  get origin(): string {
    return `http://127.0.0.1:${this.bff.port}`
  }

  get secureOrigin(): string {
    return `https://localhost:${this.#front}`
  }

  openai(apiKey = FULL_KEY): OpenAI {
    return new OpenAI({ apiKey, baseURL: `${this.secureOrigin}/proxy/openai/v1`, dangerouslyAllowBrowser: true })
  }

  /** The ledger's lines, once there are that many. */
  async ledger(count: number): Promise<Line[]> {
    const read = (): Line[] => {
      try {
        const text = readFileSync(join(this.#folder, 'ledger.jsonl'), 'utf8')
        return text
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as Line)
      } catch {
        return []
      }
    }
    await eventually(`${count} lines in the ledger`, () => read().length === count)
    return read()
  }

  metrics = async (): Promise<string> => (await fetch(`http://127.0.0.1:${this.bff.metricsPort}/metrics`)).text()

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) await stop()
  }
}

let chain: Chain
const start = async (...options: Parameters<Chain['start']>): Promise<Chain> => {
  chain = new Chain()
  return chain.start(...options)
}
afterEach(async () => {
  await chain.stop()
  // No credential of any side in what was logged, and none of the caller's at the vendor.
  for (const secret of [FULL_KEY, PLAIN_KEY, RELAY_TOKEN, ...Object.values(VENDOR_KEYS)])
    expect(chain.lines.join('')).not.toContain(secret)
  for (const request of chain.vendor.requests)
    for (const key of [FULL_KEY, RELAY_TOKEN]) expect(request.text).not.toContain(key)
})

/** Another relay in front of a vendor. */
function quietRelay(origin: string): ReturnType<typeof createRelay> {
  const config = readRelayConfig({ ...relayEnv(origin), HOST: '127.0.0.1', PORT: '0', DRAIN_TIMEOUT_MS: '50' })
  return createRelay(config, { log: createLogger('relay', 'silent'), registry: new Registry() })
}

/** Calls the admin API. */
async function admin(method: string, path: string, body?: unknown): Promise<unknown> {
  const headers = { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' }
  const sent = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }
  const response = await fetch(`${chain.origin}/admin/v1${path}`, sent)
  expect(response.status).toBeLessThan(300)
  return response.json()
}

const clients = {
  OpenAIRealtimeWS: (key?: string) => new OpenAIRealtimeWS({ model: 'gpt-realtime' }, chain.openai(key)),
  // As in a browser: the key is in the subprotocol.
  OpenAIRealtimeWebSocket: (key?: string) =>
    new OpenAIRealtimeWebSocket({ model: 'gpt-realtime', dangerouslyAllowBrowser: true }, chain.openai(key)),
}
type Client = OpenAIRealtimeWS | OpenAIRealtimeWebSocket

const opened = (client: Client): Promise<void> =>
  new Promise((resolve, reject) => {
    client.on('error', reject)
    client.on('session.created', () => resolve())
  })
const closed = ({ socket }: Client): Promise<{ code: number; reason: string }> =>
  new Promise((resolve) => {
    ;(socket as WebSocket).addEventListener('close', ({ code, reason }) => resolve({ code, reason: String(reason) }))
  })

/** Waits for the caller's next text, then says the steps. */
const whenTold =
  (...steps: readonly Step[]): Step =>
  async (wire) => {
    await eventually('a message of the caller', () => clientFrame(wire.request.body, 1) !== undefined)
    for (const step of steps) await step(wire)
  }
/** Answers the caller's Close frame. */
const sayGoodbye: Step = async ({ request, socket, write }) => {
  await eventually('the close', () => clientFrame(request.body, 8) !== undefined)
  await write(closeFrame(1000, ''))
  socket.end()
}

describe.each(Object.entries(clients))('%s through BFF and relay', (_, make) => {
  it('talks, and the ledger has what its responses used', async () => {
    await start(session(CREATED, whenTold(done(10, 5), done(20, 7)), sayGoodbye))
    const client = make()
    await opened(client)
    let heard = 0
    client.on('response.done', () => {
      heard += 1
    })
    client.send({ type: 'response.create' })
    await eventually('both answers', () => heard === 2)
    client.close()
    const [line] = await chain.ledger(1)
    expect(line).toMatchObject({
      kind: 'call',
      key: 'voice',
      vendor: 'openai',
      model: 'gpt-realtime',
      stream: true,
      outcome: 'completed',
      promptTokens: 30,
      completionTokens: 12,
      cachedTokens: 8,
      costNanos: 42_000_000,
      estimated: false,
    })
    const request = chain.vendor.only
    expect(request.header('authorization')).toBe(`Bearer ${VENDOR_KEYS.openai}`)
    expect(request.target).toBe('/v1/realtime?model=gpt-realtime')
    await eventually('the access line', () => chain.lines.some((each) => /"status":101/.test(each)))
    expect(chain.lines.find((each) => /"status":101/.test(each))).not.toContain('"error"')
  })

  it('passes on with which code and why either side closes', async () => {
    await start(session(CREATED, raw(closeFrame(4123, 'the hour is over')), (wire) => void wire.socket.end()))
    const client = make()
    client.on('error', () => {})
    expect(await closed(client)).toEqual({ code: 4123, reason: 'the hour is over' })
    await eventually('the metric', async () =>
      /ferry_websocket_closes_total\{vendor="openai",code="4xxx"\} 1/.test(await chain.metrics()),
    )
    expect(await chain.metrics()).toContain('ferry_websockets_open{vendor="openai"} 0')
  })

  it('hears of a break as of a break, and what was said is estimated', async () => {
    const delta = say({ type: 'response.output_text.delta', delta: 'a text of thirty characters ..' })
    await start(session(CREATED, delta, (wire) => wire.reset()))
    const client = make()
    client.on('error', () => {})
    expect((await closed(client)).code).toBe(1006)
    const [line] = await chain.ledger(1)
    expect(line).toMatchObject({ outcome: 'upstream_truncated', estimated: true, completionTokens: 10 })
  })

  it('with a key without native: full is refused in the answer to its upgrade, and nobody else hears of it', async () => {
    await start(session(CREATED, hang()))
    const client = make(PLAIN_KEY)
    await expect(opened(client)).rejects.toThrow()
    expect(chain.vendor.requests).toEqual([])
  })
})

describe('the answer to an upgrade', () => {
  const upgrade = (key: string, path = '/proxy/openai/v1/realtime?model=gpt-realtime'): Promise<Response> =>
    // A plain HTTP client sees the answer's body where a WebSocket's client hides it.
    new Promise((resolve, reject) => {
      import('node:http').then(({ request }) => {
        const headers = {
          authorization: `Bearer ${key}`,
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
          'sec-websocket-version': '13',
        }
        const sent = request(chain.origin + path, { headers })
        sent.on('error', reject)
        sent.on('upgrade', (answer, socket) => {
          socket.destroy()
          resolve(new Response(null, { status: 200, headers: answer.headers as Record<string, string> }))
        })
        sent.on('response', (answer) => {
          const pieces: Buffer[] = []
          answer.on('data', (piece) => pieces.push(piece))
          answer.on('end', () => {
            resolve(
              new Response(Buffer.concat(pieces), {
                status: answer.statusCode ?? 0,
                headers: answer.headers as Record<string, string>,
              }),
            )
          })
        })
        sent.end()
      }, reject)
    })
  const code = async (response: Response): Promise<unknown> =>
    ((await response.json()) as { error: { code: string } }).error.code

  it('is 403 operation_not_allowed for a key that may not, with all headers of an answer', async () => {
    await start(session(CREATED, hang()))
    const response = await upgrade(PLAIN_KEY)
    expect(response.status).toBe(403)
    expect(await code(response)).toBe('operation_not_allowed')
    for (const name of ['x-ferry-request-id', 'x-content-type-options', 'x-ferry-error'])
      expect(response.headers.get(name)).toBeTruthy()
  })

  it('is 403 for a model that the key may not use, and for a session whose model nobody knows yet', async () => {
    await start(session(CREATED, hang()), {}, ', models: [openai/gpt-5.5]')
    for (const path of ['realtime?model=gpt-realtime', 'responses']) {
      const response = await upgrade(FULL_KEY, `/proxy/openai/v1/${path}`)
      expect(response.status).toBe(403)
      expect(await code(response)).toBe('permission_denied')
    }
    expect(chain.vendor.requests).toEqual([])
  })

  it('is 401 for a stranger', async () => {
    await start(session(CREATED, hang()))
    expect((await upgrade('stranger-0123456789abcdef')).status).toBe(401)
  })

  it.each([
    [404, 'model_not_found'],
    [429, 'vendor_rate_limited'],
  ])('is the vendor’s own error %i', async (status, expected) => {
    const body = JSON.stringify({ error: { message: 'no', type: 'x', code: null, param: null } })
    await start(() => [
      head(status, [
        ['content-type', 'application/json'],
        ['content-length', String(body.length)],
      ]),
      raw(body),
    ])
    const response = await upgrade(FULL_KEY)
    expect(await code(response)).toBe(expected)
    expect(await chain.ledger(1)).toMatchObject([{ outcome: expected, promptTokens: 0, completionTokens: 0 }])
  })

  it('says that our own key was refused without quoting it', async () => {
    const body = JSON.stringify({
      error: {
        message: `Incorrect API key provided: ${VENDOR_KEYS.openai}`,
        type: 'invalid_request_error',
        code: 'invalid_api_key',
      },
    })
    await start(() => [
      head(401, [
        ['content-type', 'application/json'],
        ['content-length', String(body.length)],
      ]),
      raw(body),
    ])
    const response = await upgrade(FULL_KEY)
    expect(response.status).toBe(502)
    expect(await response.text()).not.toContain(VENDOR_KEYS.openai)
  })

  it('is 429 when all streams of the key are taken, and its place is given back', async () => {
    await start(session(CREATED, hang()), {}, ', limits: { streams: 1 }')
    const first = clients.OpenAIRealtimeWS()
    await opened(first)
    const refused = await upgrade(FULL_KEY)
    expect(refused.status).toBe(429)
    first.socket.terminate()
    await chain.ledger(1)
    const again = clients.OpenAIRealtimeWS()
    await opened(again)
    again.socket.terminate()
  })

  it('counts as a request', async () => {
    await start(session(CREATED, hang()), { RATE_LIMIT_RPM: '1' })
    const first = clients.OpenAIRealtimeWS()
    await opened(first)
    expect((await upgrade(FULL_KEY)).status).toBe(429)
    first.socket.terminate()
  })

  it('is a plain answer where something else than a WebSocket is asked for', async () => {
    await start(session(CREATED, hang()))
    const { request } = await import('node:http')
    const status = await new Promise((resolve, reject) => {
      const sent = request(`${chain.origin}/health`, { headers: { connection: 'Upgrade', upgrade: 'h2c' } }, (answer) =>
        resolve(answer.statusCode),
      )
      sent.on('error', reject)
      sent.end()
    })
    expect(status).toBe(200)
  })
})

describe('a session', () => {
  it('ends at the vendor within a second when its caller is gone', async () => {
    await start(session(CREATED, hang()))
    const client = clients.OpenAIRealtimeWS()
    await opened(client)
    const leftAt = performance.now()
    client.socket.terminate()
    expect((await chain.vendor.only.closed).at - leftAt).toBeLessThan(1000)
    expect(await chain.ledger(1)).toMatchObject([{ outcome: 'client_closed' }])
  })

  it('in which nobody speaks ends with 1001', async () => {
    await start(session(CREATED, hang()), { STREAM_IDLE_TIMEOUT_MS: '300' })
    const client = clients.OpenAIRealtimeWS()
    await opened(client)
    expect((await closed(client)).code).toBe(1001)
    expect(await chain.ledger(1)).toMatchObject([{ outcome: 'upstream_timeout' }])
  })

  it('ends with 1009 when a message is larger than MAX_BODY_BYTES', async () => {
    await start(session(CREATED, hang()), { MAX_BODY_BYTES: '10000' })
    const client = clients.OpenAIRealtimeWS()
    await opened(client)
    client.on('error', () => {})
    const end = closed(client)
    client.send({ type: 'input_audio_buffer.append', audio: 'A'.repeat(20_000) })
    expect((await end).code).toBe(1009)
    await chain.vendor.only.closed
  })

  it('lasts through a drain until its time is up, then ends with 1001', async () => {
    await start(session(CREATED, hang()), { DRAIN_TIMEOUT_MS: '400' })
    const client = clients.OpenAIRealtimeWS()
    await opened(client)
    const end = closed(client)
    const startedAt = performance.now()
    await chain.bff.stop()
    expect((await end).code).toBe(1001)
    expect(performance.now() - startedAt).toBeGreaterThan(390)
    expect(await chain.ledger(1)).toMatchObject([{ outcome: 'draining' }])
  })

  it('is opened through the next relay where the first one has not reached the vendor', async () => {
    const relay = quietRelay(`http://127.0.0.1:${await freePort()}`)
    try {
      await start(session(CREATED, hang()), {}, '', false, `http://127.0.0.1:${await relay.listen()},`)
      const client = clients.OpenAIRealtimeWS()
      await opened(client)
      client.socket.terminate()
      await chain.ledger(1)
      expect(chain.vendor.requests).toHaveLength(1)
      await eventually('the access line', () => chain.lines.some((line) => /"attempts":2/.test(line)))
    } finally {
      await relay.stop()
    }
  })

  it('is opened through the next relay where the first one cannot be reached', async () => {
    await start(session(CREATED, hang()), {}, '', false, `http://127.0.0.1:${await freePort()},`)
    const client = clients.OpenAIRealtimeWS()
    await opened(client)
    client.socket.terminate()
    expect(chain.vendor.requests).toHaveLength(1)
  })

  it('is not tried at another relay once the vendor has refused it', async () => {
    const vendor = await ScriptedVendor.start({ script: () => [head(404, [['content-length', '2']]), raw('{}')] })
    const first = quietRelay(vendor.origin)
    try {
      await start(session(CREATED, hang()), {}, '', false, `http://127.0.0.1:${await first.listen()},`)
      await expect(opened(clients.OpenAIRealtimeWS())).rejects.toThrow()
      expect(vendor.requests).toHaveLength(1)
      expect(chain.vendor.requests).toEqual([])
    } finally {
      await Promise.all([first.stop(), vendor.stop()])
    }
  })

  it.each([
    ['disabled', 'PATCH', { disabled: true }],
    ['deleted', 'DELETE', undefined],
    ['given an end', 'PATCH', { expires_at: 700 }],
  ])('ends at once when its key is %s', async (_, method, change) => {
    await start(session(CREATED, hang()), { BFF_ADMIN_TOKEN: ADMIN })
    const { id, secret } = (await admin('POST', '/keys', { name: 'guest', native: 'full' })) as Record<string, string>
    const client = clients.OpenAIRealtimeWS(secret)
    client.on('error', () => {})
    await opened(client)
    const [end, changedAt] = [closed(client), performance.now()]
    const body = change && 'expires_at' in change ? { expires_at: new Date(Date.now() + 700).toISOString() } : change
    await admin(method, `/keys/${id}`, body)
    expect(await end).toMatchObject({ code: 1008, reason: expect.stringContaining('This API key') })
    expect(performance.now() - changedAt).toBeLessThan(2500)
    await chain.vendor.only.closed
    expect(await chain.ledger(1)).toMatchObject([{ outcome: 'authentication_failed' }])
  })

  it('ends when the session token that opened it does', async () => {
    await start(session(CREATED, hang()), { SESSION_SECRET: 'session-secret-0123456789abcdef' })
    const minted = await fetch(`${chain.origin}/v1/session-tokens`, {
      method: 'POST',
      headers: { authorization: `Bearer ${FULL_KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({ user: 'ann', expires_in: 1, native: 'full' }),
    })
    const client = clients.OpenAIRealtimeWS(((await minted.json()) as { token: string }).token)
    client.on('error', () => {})
    await opened(client)
    expect(await closed(client)).toMatchObject({ code: 1008, reason: 'This session token has expired: get a new one' })
  })

  it('with a slow reader holds the vendor back and loses nothing', async () => {
    const pieces = 1200
    const delta = JSON.stringify({ type: 'response.output_audio.delta', delta: 'x'.repeat(60_000) })
    let sent = 0
    const flood: Step = async (wire) => {
      for (; sent < pieces; sent++) await wire.write(frame(1, delta))
    }
    await start(session(CREATED, flood, hang()))
    const client = clients.OpenAIRealtimeWS()
    await opened(client)
    client.socket.pause()
    await sleep(700)
    expect(sent).toBeLessThan(pieces * 0.8)
    let heard = 0
    client.on('response.output_audio.delta', () => {
      heard += 1
    })
    client.socket.resume()
    await eventually('all of it', () => heard >= pieces - 1, 15_000)
    client.socket.terminate()
  })

  it('is opened directly with a vendor that is called so', async () => {
    await start(session(CREATED, done(3, 4), hang()), {}, '', true)
    const client = clients.OpenAIRealtimeWS()
    await new Promise<void>((resolve) => client.on('response.done', () => resolve()))
    client.close()
    expect(chain.vendor.only.header('authorization')).toBe(`Bearer ${VENDOR_KEYS.openai}`)
    expect(await chain.ledger(1)).toMatchObject([{ promptTokens: 3, completionTokens: 4 }])
  })
})

it('ResponsesWS: model and usage are read from what is said', async () => {
  const usage = { input_tokens: 11, output_tokens: 6, total_tokens: 17, output_tokens_details: { reasoning_tokens: 2 } }
  const completed = say({ type: 'response.completed', response: { id: 'resp_1', usage } })
  await start(session(whenTold(completed), sayGoodbye))
  const responses = new ResponsesWS(chain.openai())
  const answered = new Promise<void>((resolve, reject) => {
    responses.on('error', reject)
    responses.on('response.completed', () => resolve())
  })
  responses.send({ type: 'response.create', model: 'gpt-5.5', input: 'Grüße' } as Parameters<typeof responses.send>[0])
  await answered
  responses.close()
  expect(await chain.ledger(1)).toMatchObject([
    { model: 'gpt-5.5', promptTokens: 11, completionTokens: 6, reasoningTokens: 2, estimated: false },
  ])
})

it('@google/genai Live: usage of turns is summed up, and the key goes nowhere', async () => {
  const speaks = (text: string) => say({ serverContent: { modelTurn: { parts: [{ text }] } } })
  const ends = (usageMetadata?: object) =>
    say({ serverContent: { turnComplete: true }, ...(usageMetadata && { usageMetadata }) })
  const turns = [
    speaks('Hello'),
    say({ usageMetadata: { promptTokenCount: 5, responseTokenCount: 1, totalTokenCount: 6 } }),
    ends({ promptTokenCount: 5, responseTokenCount: 2, totalTokenCount: 7 }),
    speaks('again'),
    ends(),
    // Behind the end of its turn.
    say({ usageMetadata: { promptTokenCount: 9, responseTokenCount: 3, totalTokenCount: 12 } }),
  ]
  await start(session(whenTold(say({ setupComplete: {} }), ...turns), hang()))
  const ai = new GoogleGenAI({ apiKey: FULL_KEY, httpOptions: { baseUrl: `${chain.secureOrigin}/proxy/gemini/` } })
  let reports = 0
  const live = await ai.live.connect({
    model: 'gemini-live',
    config: { responseModalities: [Modality.TEXT] },
    callbacks: {
      onmessage: ({ usageMetadata }) => {
        if (usageMetadata) reports += 1
      },
    },
  })
  await eventually('all reports', () => reports === 3)
  live.close()
  const [line] = await chain.ledger(1)
  expect(line).toMatchObject({
    vendor: 'gemini',
    model: 'gemini-live',
    promptTokens: 14,
    completionTokens: 5,
    estimated: false,
  })
  expect(chain.vendor.only.header('x-goog-api-key')).toBe(VENDOR_KEYS.gemini)
  expect(chain.vendor.only.target).not.toContain('key=')
})
