import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createLink, type Link, type LinkAnswer } from '@llm-ferry/sdk/link'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Line } from '../border/line.ts'
import { answerRightly, wholeBody } from '../border/rig.ts'
import { type Certificates, createCertificates } from '../testkit/certs.ts'
import { DIALECTS } from '../testkit/dialects.ts'
import { eventually } from '../testkit/eventually.ts'
import { delay, ScriptedVendor } from '../testkit/scripted-vendor.ts'
import { relayEnv, type Service, startRelay } from '../testkit/services.ts'
import { type Front, overseasEnv, startFront } from './front.ts'

const { openai } = DIALECTS

/** One host: two relays that share their markers, and nginx. `line` is the way there. */
interface Host {
  readonly relays: [Service, Service]
  readonly front: Front
  readonly line: Line
  readonly link: Link
  readonly restart: (index: 0 | 1) => Promise<void>
  readonly stop: () => Promise<void>
}

async function startHost(vendor: ScriptedVendor, certificates: Certificates): Promise<Host> {
  const markers = mkdtempSync(join(tmpdir(), 'ferry-markers-'))
  const env = relayEnv(vendor.origin, {
    TRUSTED_PROXIES: '127.0.0.1/32',
    EXCHANGE_MARKERS_DIR: markers,
    LINK_HEARTBEAT_MS: '100',
    DRAIN_TIMEOUT_MS: '20000',
  })
  const relays: [Service, Service] = [await startRelay(env), await startRelay(env)]
  const front = await startFront('overseas', overseasEnv(certificates, relays))
  const line = await Line.start(front.httpsPort)
  const relay = `https://localhost:${line.port}`
  const link = createLink({
    relays: [relay],
    ca: certificates.ca,
    connectMs: 1000,
    leastSilenceMs: 300,
    graceMs: 10_000,
  })
  return {
    relays,
    front,
    line,
    link,
    restart: async (index) => {
      const former = relays[index]
      relays[index] = await startRelay({ ...env, PORT: String(former.port) })
    },
    stop: async () => {
      await link.close()
      await line.stop()
      await front.stop()
      for (const one of relays) await one.stop()
      rmSync(markers, { recursive: true, force: true })
    },
  }
}

describe('exchanges on two relays behind nginx', () => {
  let certificates: Certificates
  let vendor: ScriptedVendor
  let host: Host

  beforeAll(() => {
    certificates = createCertificates()
  })
  beforeEach(async () => {
    vendor = await ScriptedVendor.start()
    answerRightly(vendor)
    host = await startHost(vendor, certificates)
    return async () => {
      await host.stop()
      await vendor.stop()
    }
  })
  afterAll(() => certificates.remove())

  const stream = (affinity: string): Promise<LinkAnswer> => {
    const headers = [...openai.credential, 'content-type', 'application/json']
    const body = Buffer.from(openai.streamBody)
    return host.link.request({ path: `/proxy/openai${openai.streamPath}`, method: 'POST', headers, body, affinity })
  }
  const read = async ({ body }: Pick<LinkAnswer, 'body'>): Promise<Buffer> => {
    const pieces: Uint8Array[] = []
    for await (const piece of body) pieces.push(piece)
    return Buffer.concat(pieces)
  }
  const slowly = (ms: number): void => answerRightly(vendor, (step) => [delay(ms), step])
  const openExchanges = async ({ metricsPort }: Service): Promise<number> => {
    const page = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
    return Number(/^relay_open_exchanges\S* (\d+)/m.exec(page)?.[1] ?? 0)
  }
  const untilDraining = ({ origin }: Service): Promise<void> =>
    eventually('it drains', () =>
      fetch(`${origin}/ready`).then(
        ({ status }) => status === 503,
        () => false,
      ),
    )
  /** What came of it: its whole body, or the error's code. */
  const outcome = async (answer: Promise<LinkAnswer>): Promise<'whole' | string | undefined> => {
    const { status, headers, body } = await answer
    if (status !== 200) return headers[headers.indexOf('x-ferry-error') + 1]
    return read({ body }).then(
      (bytes) => (bytes.equals(wholeBody(openai, true)) ? 'whole' : 'other'),
      (error) => error.code,
    )
  }
  /** The relay that serves this affinity, with a stream of it under way. */
  const holder = async (affinity: string): Promise<{ index: 0 | 1; running: Promise<LinkAnswer> }> => {
    slowly(100)
    const running = stream(affinity)
    await vendor.received()
    return { index: (await openExchanges(host.relays[0])) > 0 ? 0 : 1, running }
  }

  it('starts at the other relay what a draining one refuses, and finds it there after a cut', async () => {
    const { index, running } = await holder('chat')
    const draining = host.relays[index]
    draining.signal('SIGTERM')
    await untilDraining(draining)
    slowly(60)
    const second = await stream('chat')
    expect(second.status).toBe(200)
    // Both come back through nginx, which asks the draining relay first: it holds the one, and not the other.
    await sleep(150)
    host.line.cutAll('rst')
    expect((await read(second)).equals(wholeBody(openai, true))).toBe(true)
    expect((await read(await running)).equals(wholeBody(openai, true))).toBe(true)
    expect(host.line.connections).toBeGreaterThan(2)
    expect(vendor.requests).toHaveLength(2)
    expect((await draining.exited).code).toBe(0)
  })

  it('finds at the other relay what began there while its own was away', async () => {
    const { index, running } = await holder('chat')
    host.relays[index].signal('SIGKILL')
    expect(await outcome(running)).toBe('exchange_lost')
    slowly(60)
    const second = await stream('chat')
    await host.restart(index)
    host.line.cutAll('rst')
    expect((await read(second)).equals(wholeBody(openai, true))).toBe(true)
    expect(vendor.requests).toHaveLength(2)
  })

  it('cancels at the relay that holds it', async () => {
    const { index } = await holder('chat')
    host.relays[index].signal('SIGTERM')
    await untilDraining(host.relays[index])
    slowly(500)
    const second = await stream('chat')
    const [, call] = vendor.requests
    const reader = second.body[Symbol.asyncIterator]()
    await reader.return?.()
    await eventually('the vendor is left', () => call?.closing !== undefined, 2000)
  })

  it('lets a request in flight find its way when its relay is killed before it answers', async () => {
    // Of many, some are between nginx and the relay when it dies.
    answerRightly(vendor)
    const calls = Array.from({ length: 60 }, async (_, i) => {
      await sleep(i * 3)
      if (i === 30) host.relays[0].signal('SIGKILL')
      return outcome(stream(`chat-${i}`))
    })
    const failed = (await Promise.all(calls)).filter((one) => one !== 'whole')
    // What the dead relay held may be lost, and says so.
    expect(failed.every((one) => one === 'exchange_lost')).toBe(true)
    expect(failed.length).toBeLessThan(15)
    expect(vendor.requests.length).toBeLessThanOrEqual(60)
  })

  it('says that nothing was reached while both drain and neither can be had', async () => {
    const [one, two] = host.relays
    await one.stop()
    await two.stop()
    const answer = await stream('chat')
    expect(answer.headers).toEqual(
      expect.arrayContaining(['x-ferry-error', 'upstream_unreachable', 'x-ferry-reached', 'no']),
    )
    expect(vendor.requests).toHaveLength(0)
  })
})
