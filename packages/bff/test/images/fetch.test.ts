import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Certificates, createCertificates } from '../../../../test/testkit/certs.ts'
import { DIALECTS as WIRE } from '../../../../test/testkit/dialects.ts'
import { afterBody } from '../../../../test/testkit/scripted-vendor.ts'
import type { ImageNetwork } from '../../src/images/fetch-image.ts'
import { isPublicAddress } from '../../src/images/public-address.ts'
import { errorOf, json, startTestBff, type TestBff } from '../support.ts'

const PNG = Buffer.from('\x89PNG\r\n\x1a\nthe rest of it', 'latin1')
const MiB = 1024 * 1024

let certificates: Certificates
let server: Server
let origin: string
let seen: IncomingMessage[]
let answer: (request: IncomingMessage, response: ServerResponse) => void
let resolved: string[]

beforeAll(async () => {
  certificates = createCertificates(['img.ferry.test', '*.cdn.ferry.test'])
  server = createServer({ key: certificates.key, cert: certificates.cert }, (request, response) => {
    seen.push(request)
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `https://img.ferry.test:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.close()
  server.closeAllConnections()
  certificates.remove()
})
beforeEach(() => {
  seen = []
  resolved = []
  answer = (_, response) => response.end(PNG)
})

/** Names lead to the server of this test, whose loopback address counts as public. */
const here = (addresses: readonly string[] = ['127.0.0.1']): ImageNetwork => ({
  resolve: async (name) => {
    resolved.push(name)
    return addresses
  },
  isPublic: (address) => address === '127.0.0.1' || isPublicAddress(address),
  ca: certificates.ca,
})

async function start(network: ImageNetwork = here(), env: Record<string, string> = {}): Promise<TestBff> {
  const port = new URL(origin).port
  const yaml = `imageFetch: { hosts: ["img.ferry.test:${port}", "*.cdn.ferry.test:${port}"] }\n`
  const script = afterBody(() => json(200, JSON.parse(WIRE.gemini.answer)))
  return startTestBff(script, env, yaml, { imageNetwork: network })
}

const image = (url: string) => ({ type: 'image_url', image_url: { url } })
const asking = (...urls: string[]) => ({
  model: 'gemini/gemini-3-flash',
  messages: [{ role: 'user', content: [{ type: 'text', text: 'What is this?' }, ...urls.map(image)] }],
})

async function refused(bff: TestBff, url: string, words: RegExp): Promise<void> {
  const response = await bff.chat(asking(url))
  expect(response.status).toBe(400)
  const error = await errorOf(response)
  expect(error).toMatchObject({ code: 'invalid_request', param: 'messages[0].content[1].image_url.url' })
  expect(error.message).toMatch(words)
  expect(bff.vendor.requests).toHaveLength(0)
}

describe('an image at an allowed host', () => {
  it('goes to a vendor that needs bytes, with the type that its bytes have and nothing of the caller’s', async () => {
    answer = (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(PNG)
    const bff = await start()
    const response = await bff.chat(asking(`${origin}/a.png?x=1`))
    expect(response.status).toBe(200)
    const sent = JSON.parse(bff.vendor.only.body.toString()) as { contents: { parts: unknown[] }[] }
    expect(sent.contents[0]?.parts[1]).toEqual({
      inlineData: { mimeType: 'image/png', data: PNG.toString('base64') },
    })
    expect(seen).toHaveLength(1)
    expect(seen[0]?.url).toBe('/a.png?x=1')
    expect(Object.keys(seen[0]?.headers ?? {}).sort()).toEqual(['accept', 'accept-encoding', 'connection', 'host'])
  })

  it('is fetched and looked up once, however often a request names it', async () => {
    const bff = await start()
    expect((await bff.chat(asking(`${origin}/a`, `${origin}/a`))).status).toBe(200)
    expect(seen).toHaveLength(1)
    expect(resolved).toEqual(['img.ferry.test'])
  })

  it('is not fetched for a vendor that fetches addresses itself', async () => {
    const bff = await start()
    await bff.chat({ ...asking(`${origin}/a.png`), model: 'openai/gpt-5.5' })
    expect(bff.vendor.only.text).toContain(`${origin}/a.png`)
    expect(seen).toHaveLength(0)
  })

  it('at the vendor’s own file store is left to it', async () => {
    const bff = await start()
    const file = 'https://generativelanguage.googleapis.com/v1beta/files/abc'
    expect((await bff.chat(asking(file))).status).toBe(200)
    expect(bff.vendor.only.text).toContain(file)
  })
})

describe('is not fetched and says why, naming the field:', () => {
  it('anything, where no host is allowed', async () => {
    const bff = await startTestBff(
      afterBody(() => json(200, {})),
      {},
      '',
      { imageNetwork: here() },
    )
    const response = await bff.chat(asking(`${origin}/a.png`))
    expect(response.status).toBe(400)
    expect(await errorOf(response)).toMatchObject({ param: 'messages[0].content[1].image_url.url' })
    expect(seen).toHaveLength(0)
    expect(resolved).toEqual([])
  })

  it.each([
    ['http', () => origin.replace('https:', 'http:'), /is not https/],
    ['another host', () => 'https://elsewhere.example/', /not allowed/],
    ['another port', () => 'https://img.ferry.test/', /not allowed/],
    [
      'a host that begins like an allowed one',
      () => origin.replace('ferry.test', 'ferry.test.evil.net'),
      /not allowed/,
    ],
    ['an allowed host as user', () => `https://img.ferry.test@evil.net/`, /user or password/],
    ['a password', () => origin.replace('//', '//user:secret@'), /user or password/],
    ['a number that means loopback', () => 'https://2130706433/', /not allowed/],
    ['an IPv6 loopback', () => 'https://[::ffff:127.0.0.1]/', /not allowed/],
  ])('%s', async (_, url, words) => {
    await refused(await start(), url(), words)
    expect(seen).toHaveLength(0)
    expect(resolved).toEqual([])
  })

  // What an allowed name is made to point at by whoever owns its DNS.
  it.each([
    ...['10.0.0.5', '169.254.169.254', '100.100.100.200', '::ffff:10.0.0.5', 'fd00:ec2::254', '::1', '0.0.0.0'],
  ])('a name that leads to %s', async (address) => {
    await refused(await start(here([address])), `${origin}/a.png`, /address is not public/)
    expect(seen).toHaveLength(0)
  })

  it('a name with a private address among public ones', async () => {
    await refused(await start(here(['127.0.0.1', '10.0.0.5'])), `${origin}/a.png`, /address is not public/)
    expect(seen).toHaveLength(0)
  })

  it('a name that changes its address between look-up and connection: there is one look-up', async () => {
    const answers = [['127.0.0.1'], ['10.0.0.5']]
    const rebinding = { ...here(), resolve: async () => answers.shift() ?? [] }
    const bff = await start(rebinding)
    expect((await bff.chat(asking(`${origin}/a.png`))).status).toBe(200)
    expect(answers).toHaveLength(1)
  })

  it('a name that cannot be looked up', async () => {
    const network = { ...here(), resolve: () => Promise.reject(new Error('ENOTFOUND')) }
    await refused(await start(network), `${origin}/a.png`, /has no address/)
  })

  it('a server whose certificate is for another name', async () => {
    await refused(await start(), `${origin.replace('img.', 'deep.er.cdn.')}/a.png`, /could not be fetched/)
    expect(seen).toHaveLength(0)
  })

  it.each([301, 302, 307, 308])('a redirect (%i), which is not followed', async (status) => {
    answer = (_, response) =>
      response.writeHead(status, { location: 'https://169.254.169.254/latest/meta-data/' }).end()
    await refused(await start(), `${origin}/a.png`, /redirects/)
    expect(seen).toHaveLength(1)
  })

  it.each([
    ['what is no image, whatever its type says', { 'content-type': 'image/png' }, '<html>secret</html>', 200, /no PNG/],
    ['an error', {}, PNG, 404, /status 404/],
    ['a compressed body', { 'content-encoding': 'gzip' }, PNG, 200, /encoding/],
    ['a body that is declared too long', { 'content-length': String(10 * MiB + 1) }, '', 200, /larger than 10485760/],
  ])('%s', async (_, headers, body, status, words) => {
    answer = (_, response) => {
      response.writeHead(status, headers)
      if (body) response.end(body)
      else response.flushHeaders()
    }
    const bff = await start()
    await refused(bff, `${origin}/a.png`, words)
  })

  it('a body without end, at ten MiB on the wire', async () => {
    let written = 0
    answer = (_, response) => {
      const more = (): void => {
        while (!response.destroyed && written < 64 * MiB) {
          written += 65_536
          if (!response.write(Buffer.alloc(65_536, PNG))) return void response.once('drain', more)
        }
      }
      more()
    }
    await refused(await start(), `${origin}/a.png`, /larger than/)
    expect(written).toBeLessThan(16 * MiB)
  })

  it('images that are too large together', async () => {
    answer = (_, response) => response.end(Buffer.concat([PNG, Buffer.alloc(6 * MiB)]))
    const bff = await start()
    const response = await bff.chat(asking(`${origin}/a`, `${origin}/b`))
    expect(await errorOf(response)).toMatchObject({ param: 'messages[0].content[2].image_url.url' })
  })

  it('a server that sends nothing, or a byte now and then, after five seconds in all', async () => {
    answer = (_, response) => {
      response.write(PNG.subarray(0, 4))
      const timer = setInterval(() => response.write('x'), 200)
      response.once('close', () => clearInterval(timer))
    }
    const startedAt = performance.now()
    await refused(await start(), `${origin}/a.png`, /not there within 5000 ms/)
    expect(performance.now() - startedAt).toBeLessThan(5900)
  })

  it('more than sixteen images', async () => {
    const bff = await start()
    const response = await bff.chat(asking(...Array.from({ length: 17 }, (_, i) => `${origin}/${i}`)))
    expect(await errorOf(response)).toMatchObject({ param: 'messages[0].content[17].image_url.url' })
    expect(seen).toHaveLength(0)
  })
})

it('a caller that leaves ends the fetching', async () => {
  let closed: () => void = () => {}
  const gone = new Promise<void>((resolve) => {
    closed = resolve
  })
  const asked = new Promise<void>((resolve) => {
    answer = (_, response) => {
      response.once('close', closed)
      resolve()
    }
  })
  const bff = await start()
  const leave = new AbortController()
  const call = bff.chat(asking(`${origin}/a.png`), { signal: leave.signal }).catch(() => 'left')
  await asked
  leave.abort()
  expect(await call).toBe('left')
  await gone
})
