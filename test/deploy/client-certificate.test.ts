import { randomBytes } from 'node:crypto'
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFerry, type FerryError } from '@llm-ferry/sdk'
import { createLink, type LinkOptions } from '@llm-ferry/sdk/link'
import { openai as openaiClient } from '@llm-ferry/sdk/openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Line } from '../border/line.ts'
import { answerRightly, callOverLink, wholeBody } from '../border/rig.ts'
import { session } from '../clients/websocket/rig.ts'
import { ferry } from '../operations/ferry.ts'
import { type Certificates, createCertificates } from '../testkit/certs.ts'
import { type ClientAuthority, type ClientPair, createClientAuthority, replacePair } from '../testkit/client-certs.ts'
import { DIALECTS, json, requestBytes, sseHead } from '../testkit/dialects.ts'
import { eventually } from '../testkit/eventually.ts'
import { frame } from '../testkit/frames.ts'
import type { Field } from '../testkit/http-reader.ts'
import { RawClient } from '../testkit/raw-client.ts'
import { afterBody, chunk, delay, hang, lastChunk, raw, ScriptedVendor } from '../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, relayEnv, type Service, type ServiceEnv, startBff, startRelay } from '../testkit/services.ts'
import { type Front, overseasEnv, startFront } from './front.ts'

const { openai } = DIALECTS
const KEY = 'bff-key-of-app-0123456789abcdef'
const CHAT = { model: 'openai/gpt-x', messages: [{ role: 'user' as const, content: 'Say hello' }] }

// The real nginx of the overseas side takes callers with a certificate only; a BFF as a process of its own calls through it.

describe('FERRY_CLIENT_CERT=all', () => {
  let server: Certificates
  let authority: ClientAuthority
  let vendor: ScriptedVendor
  let relays: readonly [Service, Service]
  let front: Front
  let folder: string
  let caFile: string
  const stops: (() => unknown)[] = []

  beforeAll(async () => {
    server = createCertificates()
    authority = createClientAuthority()
    folder = mkdtempSync(join(tmpdir(), 'ferry-mtls-'))
    writeFileSync(join(folder, 'ferry.yaml'), 'keys: { app: { native: full } }\n')
    caFile = join(folder, 'client-ca.crt')
    copyFileSync(authority.caFile, caFile)
    vendor = await ScriptedVendor.start()
    const markers = join(folder, 'markers')
    const env = relayEnv(vendor.origin, {
      TRUSTED_PROXIES: '127.0.0.1/32',
      EXCHANGE_MARKERS_DIR: markers,
      LINK_HEARTBEAT_MS: '100',
    })
    relays = [await startRelay(env), await startRelay(env)]
    front = await startFront('overseas', {
      ...overseasEnv(server, relays),
      FERRY_CLIENT_CA: caFile,
      FERRY_CLIENT_CERT: 'all',
    })
  })
  beforeEach(() => {
    vendor.clear()
    answerRightly(vendor)
    return async () => {
      for (const stop of stops.splice(0).reverse()) await stop()
    }
  })
  afterAll(async () => {
    await front?.stop()
    for (const relay of relays ?? []) await relay.stop()
    await vendor?.stop()
    for (const one of [server, authority]) one?.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  const relayUrl = (): string => `https://localhost:${front.httpsPort}`
  const showing = ({ certFile, keyFile }: ClientPair): ServiceEnv => {
    return { RELAY_CLIENT_CERT_FILE: certFile, RELAY_CLIENT_KEY_FILE: keyFile }
  }
  const bff = async (more: ServiceEnv = {}): Promise<Service> => {
    const service = await startBff({
      RELAY_URLS: relayUrl(),
      RELAY_TOKEN,
      BFF_KEYS: `app:${KEY}`,
      FERRY_CONFIG: join(folder, 'ferry.yaml'),
      NODE_EXTRA_CA_CERTS: server.caFile,
      MAX_RETRIES: '0',
      ...more,
    })
    stops.push(() => service.stop())
    return service
  }
  const link = (options: Partial<LinkOptions> = {}) => {
    const made = createLink({ relays: [relayUrl()], ca: server.ca, leastSilenceMs: 300, graceMs: 10_000, ...options })
    stops.push(() => made.close())
    return made
  }
  const clientOf = ({ origin }: Service) => createFerry({ baseURL: origin, apiKey: KEY, maxRetries: 0 })
  /** Opens a WebSocket, and returns what came once it has these words. */
  const openSession = async ({ port }: Service, words: string): Promise<string> => {
    const client = await RawClient.connect(port)
    const headers: readonly Field[] = [
      ['authorization', `Bearer ${KEY}`],
      ['connection', 'Upgrade'],
      ['upgrade', 'websocket'],
      ['sec-websocket-version', '13'],
      ['sec-websocket-key', randomBytes(16).toString('base64')],
    ]
    await client.send(requestBytes({ method: 'GET', target: '/proxy/openai/v1/realtime?model=gpt-realtime', headers }))
    expect(await client.until(() => client.text.includes(words))).toBe(true)
    client.destroy()
    return client.text
  }
  const metric = async ({ metricsPort }: Service, name: string): Promise<number> => {
    const page = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
    return Number(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)`, 'm').exec(page)?.[1])
  }

  it('is no obstacle to a BFF with a certificate: chats, streams, uploads, sessions', async () => {
    const shown = authority.issue('bff', 'bff-1')
    const service = await bff(showing(shown))
    const client = clientOf(service)
    const plain = await client.chat(CHAT)
    expect(plain.text).not.toBe('')
    expect((await client.chat.stream(CHAT).final()).text).not.toBe('')

    vendor.script = afterBody(() => json('{"text":"hello"}'))
    const form = new FormData()
    form.set('model', 'openai/whisper-1')
    form.set('file', new Blob([Buffer.alloc(300_000, 'w')]), 'speech.wav')
    const headers = { authorization: `Bearer ${KEY}` }
    const upload = await fetch(`${service.origin}/v1/audio/transcriptions`, { method: 'POST', headers, body: form })
    expect({ status: upload.status, body: await upload.text() }).toEqual({ status: 200, body: '{"text":"hello"}' })

    vendor.script = session(raw(frame(1, '{"type":"session.created"}')), hang())
    expect(await openSession(service, '{"type":"session.created"}')).toContain('{"type":"session.created"}')

    const expiry = await metric(service, 'link_client_certificate_expires_seconds')
    expect(expiry - Date.now() / 1000).toBeGreaterThan(396 * 86_400)
    expect(await metric(service, 'link_certificate_refusals_total')).toBe(0)
  })

  it('refuses a BFF without a certificate by name, on every way, and calls no vendor', async () => {
    const service = await bff()
    const fault = await clientOf(service)
      .chat(CHAT)
      .catch((error: unknown) => error as FerryError)
    expect(fault).toMatchObject({ code: 'upstream_unreachable', status: 502 })
    expect(fault.message).toContain('client_certificate_refused')
    expect(fault.message).toContain('RELAY_CLIENT_CERT_FILE')
    expect(fault.message).not.toContain('RELAY_TOKEN')
    expect(await metric(service, 'link_certificate_refusals_total')).toBeGreaterThan(0)

    const form = new FormData()
    form.set('model', 'openai/whisper-1')
    form.set('file', new Blob(['w']), 'speech.wav')
    const headers = { authorization: `Bearer ${KEY}` }
    const upload = await fetch(`${service.origin}/v1/audio/transcriptions`, { method: 'POST', headers, body: form })
    expect(await upload.text()).toContain('client_certificate_refused')

    expect(await openSession(service, 'client_certificate_refused')).toMatch(/^HTTP\/1\.1 502 /)
    expect(vendor.requests).toHaveLength(0)
  })

  it('refuses a certificate of another authority the same way', async () => {
    const strangers = createClientAuthority()
    stops.push(() => strangers.remove())
    const service = await bff(showing(strangers.issue('bff', 'bff-1')))
    const fault = await clientOf(service)
      .chat(CHAT)
      .catch((error: unknown) => error as FerryError)
    expect(fault).toMatchObject({ code: 'upstream_unreachable', status: 502 })
    expect(fault.message).toContain('client_certificate_refused')
    expect(vendor.requests).toHaveLength(0)
  })

  it('lets an exchange of the SDK’s link come back over new connections', async () => {
    const line = await Line.start(front.httpsPort)
    stops.push(() => line.stop())
    const relay = `https://localhost:${line.port}`
    // One that is read anew for every connection.
    let asked = 0
    const shown = authority.issue('bff', 'sdk')
    const clientCertificate = () => {
      asked++
      return shown
    }
    const there = link({ relays: [relay], clientCertificate, spareConnections: 0 })
    answerRightly(vendor, (step) => [delay(150), step])
    const answer = callOverLink(there, openai, true)
    // Every connection breaks in the middle of the answer.
    await vendor.received()
    await sleep(400)
    line.cutAll('rst')
    const { status, body } = await answer
    expect(status).toBe(200)
    expect(body.equals(wholeBody(openai, true))).toBe(true)
    const [stats] = there.stats()
    expect(stats?.breaks).toBe(1)
    expect(stats?.resumedBytes).toBeGreaterThan(0)
    expect(asked).toBe(stats?.connectionsOpened)
    expect(vendor.requests).toHaveLength(1)
  })

  it('says in the link’s answer what is wrong, and moves to a relay that takes it', async () => {
    const refused = await callOverLink(link(), openai, false)
    expect(refused.status).toBe(403)
    expect(JSON.parse(refused.body.toString())).toMatchObject({ error: { code: 'client_certificate_refused' } })
    const open = await startFront('overseas', overseasEnv(server, relays))
    stops.push(() => open.stop())
    const either = link({ relays: [relayUrl(), `https://localhost:${open.httpsPort}`] })
    expect((await callOverLink(either, openai, false)).status).toBe(200)
    expect(either.stats().map(({ certificateRefusals }) => certificateRefusals)).toEqual([1, 0])
  })

  it('is shown by vendors’ clients that the SDK aims, also for uploads', async () => {
    const { cert, key } = authority.issue('bff', 'client')
    const there = link({ clientCertificate: { cert, key } })
    const client = openaiClient({ baseURL: relayUrl(), apiKey: RELAY_TOKEN, via: 'relay', fetch: there.fetch })
    expect((await client.chat.completions.create({ ...CHAT, model: 'gpt-x' })).object).toBe('chat.completion')
    vendor.script = afterBody(() => json('{"id":"file-1"}'))
    const file = new File([Buffer.alloc(200_000, 'f')], 'lines.jsonl')
    expect((await client.files.create({ file, purpose: 'batch' })).id).toBe('file-1')
    expect(vendor.requests.at(-1)?.bodyBytes).toBeGreaterThan(200_000)
  })

  it('takes a renewed certificate, of another authority even, while a stream runs on', async () => {
    const shown = authority.issue('bff', 'renewed')
    const service = await bff(showing(shown))
    const client = clientOf(service)
    const piece = (text: string, finish: string | null = null) =>
      chunk(
        `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'gpt-x', choices: [{ index: 0, delta: { content: text }, finish_reason: finish }] })}\n\n`,
      )
    let mayEnd = (): void => {}
    const ending = new Promise<void>((resolve) => {
      mayEnd = resolve
    })
    vendor.script = afterBody(() => [
      sseHead(),
      piece('before '),
      () => ending,
      piece('after', 'stop'),
      chunk('data: [DONE]\n\n'),
      lastChunk(),
    ])
    let text = ''
    let isWhole = false
    const reading = (async () => {
      for await (const delta of client.chat.stream(CHAT).textDeltas()) text += delta
      isWhole = true
    })()
    await eventually('the stream runs', () => text === 'before ')

    const successor = createClientAuthority()
    stops.push(() => successor.remove())
    const before = await metric(service, 'link_client_certificate_expires_seconds')
    replacePair(shown, successor.issue('bff', 'renewed'))
    await eventually('it is read', () => service.log().includes('configuration_reloaded'), 8000)
    expect(await metric(service, 'link_client_certificate_expires_seconds')).toBeGreaterThanOrEqual(before)
    copyFileSync(successor.caFile, caFile)
    front.command('reload')
    try {
      answerRightly(vendor)
      // New connections show the new one; of the former ones nginx has closed those that were idle.
      await eventually('a chat goes through', () =>
        client.chat(CHAT).then(
          () => true,
          () => false,
        ),
      )
      for (let i = 0; i < 3; i++) await client.chat(CHAT)
      expect(isWhole).toBe(false)
      mayEnd()
      await reading
      expect(text).toBe('before after')
    } finally {
      mayEnd()
      copyFileSync(authority.caFile, caFile)
      front.command('reload')
    }
  })

  it('is explained by ferry doctor, and no hindrance to bench-link', async () => {
    const settings = { RELAY_URLS: relayUrl(), RELAY_TOKEN, NODE_EXTRA_CA_CERTS: server.caFile }
    // But for nginx's own certificate, which is good for a day.
    const isFault = (one: { check: string; state: string }) => one.state === 'fail' && one.check !== 'certificate'
    const faultsOf = async (pair?: ClientPair): Promise<string[]> => {
      const { stdout } = await ferry(['doctor', '--json'], { ...settings, ...(pair && showing(pair)) })
      const found = JSON.parse(stdout) as { check: string; state: string; detail: string }[]
      return found.filter(isFault).map(({ check, detail }) => `${check}: ${detail}`)
    }
    const [good, monitoring] = [authority.issue('bff', 'doctor'), authority.issue('monitoring', 'doctors-own')]
    const strangers = createClientAuthority()
    stops.push(() => strangers.remove())
    expect(await faultsOf(good)).toEqual([])
    expect(await faultsOf()).toEqual(['client-cert: the relay’s door takes callers with a client certificate only'])
    const notTaken = 'client-cert: the relay’s door does not take our client certificate: '
    expect(await faultsOf(strangers.issue('bff', 'doctor'))).toEqual([expect.stringContaining(`${notTaken}unable to`)])
    expect(await faultsOf(monitoring)).toEqual([`${notTaken}it is not for calls`])
    expect(await faultsOf(authority.expired(good))).toEqual([
      expect.stringMatching(/^client-cert: expired at 20/),
      `${notTaken}certificate has expired`,
    ])
    const mixed = { ...good, keyFile: monitoring.keyFile }
    expect((await faultsOf(mixed))[0]).toContain(
      'RELAY_CLIENT_CERT_FILE and RELAY_CLIENT_KEY_FILE do not belong together',
    )

    const bench = await ferry(['bench-link', '--samples', '5', '--json'], { ...settings, ...showing(good) })
    expect(bench).toMatchObject({ code: 0, stderr: '' })
    expect((await ferry(['bench-link', '--samples', '5'], settings)).stderr).toContain('answered with 403')
  })

  it('keeps the former certificate when what took its place cannot be used', async () => {
    const shown = authority.issue('bff', 'spoilt')
    const service = await bff(showing(shown))
    const expired = authority.expired(shown)
    copyFileSync(expired.certFile, shown.certFile)
    await eventually('it is said', () => service.log().includes('configuration_not_reloaded'), 8000)
    expect(service.log()).toContain('RELAY_CLIENT_CERT_FILE')
    expect((await clientOf(service).chat(CHAT)).text).not.toBe('')
  })
})
