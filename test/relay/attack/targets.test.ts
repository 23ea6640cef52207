import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DIALECTS, requestBytes } from '../../testkit/dialects.ts'
import type { Field } from '../../testkit/http-reader.ts'
import { exchange, RawClient } from '../../testkit/raw-client.ts'
import { ScriptedVendor } from '../../testkit/scripted-vendor.ts'
import { relayEnv, type Service, startRelay } from '../../testkit/services.ts'
import { expectRefusal, relayRig } from '../rig.ts'

const openai = DIALECTS.openai

const get = (target: string, headers: readonly Field[] = [openai.credential]): Buffer =>
  requestBytes({ method: 'GET', target, headers })

// The relay holds vendor keys and stands in a network of its own. Whoever can choose where it connects has the keys,
// the cloud's metadata service and everything behind the firewall (SSRF).
describe('only configured origins', () => {
  const rig = relayRig()
  let evil: ScriptedVendor
  beforeAll(async () => {
    evil = await ScriptedVendor.start()
  })
  afterAll(() => evil.stop())

  const TARGETS: Readonly<Record<string, (host: string) => string>> = {
    'an absolute-form target': (host) => `http://${host}/proxy/openai/v1/models`,
    'an absolute-form target without our path': (host) => `http://${host}/`,
    'https in absolute form': (host) => `https://${host}/proxy/openai/v1/models`,
    'a URL in the path': (host) => `/proxy/openai/http://${host}/v1/models`,
    'a URL in place of the vendor': (host) => `/proxy/http://${host}/v1/models`,
    'a protocol-relative path': (host) => `/proxy/openai//${host}/v1/models`,
    'a protocol-relative target': (host) => `//${host}/proxy/openai/v1/models`,
    'a host in place of the vendor': (host) => `/proxy/${host}/v1/models`,
    'user information before the host': (host) => `/proxy/openai/@${host}/v1/models`,
    'user information as vendor': (host) => `/proxy/openai@${host}/v1/models`,
    'a port for the upstream': () => `/proxy/openai/:${evil.port}/v1/models`,
    'a backslash host': (host) => `/proxy/openai/\\\\${host}\\v1`,
    'an encoded protocol-relative path': (host) => `/proxy/openai/%2f%2f${host}/v1`,
    'a host in the query': (host) => `/proxy/openai/v1/models?host=${host}&url=http://${host}/`,
  }
  for (const [story, target] of Object.entries(TARGETS)) {
    it(`is not led away by ${story}`, async () => {
      const host = `127.0.0.1:${evil.port}`
      await exchange(rig.relay.port, get(target(host)))
      expect(evil.accepted).toBe(0)
      for (const request of rig.vendor.requests) expect(request.header('host')).toBe(`127.0.0.1:${rig.vendor.port}`)
    })
  }

  it.each(['Host', 'X-Forwarded-Host', 'X-Forwarded-Server', 'X-Host', 'X-Original-URL', 'X-Rewrite-URL', 'Forwarded'])(
    'is not led away by %s',
    async (name) => {
      const value = name === 'Forwarded' ? `host=127.0.0.1:${evil.port}` : `127.0.0.1:${evil.port}`
      await exchange(rig.relay.port, get('/proxy/openai/v1/models', [openai.credential, [name, value]]))
      expect(evil.accepted).toBe(0)
      expect(rig.vendor.only.target).toBe('/v1/models')
      expect(rig.vendor.only.headerValues('host')).toEqual([`127.0.0.1:${rig.vendor.port}`])
    },
  )

  it('opens no tunnel (CONNECT)', async () => {
    const client = await RawClient.connect(rig.relay.port, { method: 'CONNECT' })
    const host = `127.0.0.1:${evil.port}`
    await client.send(`CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${openai.credential[1]}\r\n\r\n`)
    await client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await client.until(() => client.bytes.length > 0 || client.ending !== 'open', 1000)
    client.destroy()
    expect(client.text).not.toMatch(/^HTTP\/1\.1 2/)
    expect(evil.accepted).toBe(0)
  })

  // TRACE sends the request back as a body: a page in a browser could read headers that it must not see, and a vendor
  // that honours it would send our key (RFC 9110 section 9.3.8).
  it('does not pass TRACE and its relatives on', async () => {
    for (const method of ['TRACE', 'TRACK', 'DEBUG']) {
      const client = await RawClient.connect(rig.relay.port)
      await client.send(requestBytes({ method, target: '/proxy/openai/v1/models', headers: [openai.credential] }))
      const [answer] = await client.answered(1, 2000)
      client.destroy()
      if (answer) expect(answer.status).toBeGreaterThanOrEqual(400)
    }
    expect(rig.vendor.requests).toEqual([])
  })

  it('answers OPTIONS * by itself', async () => {
    const answer = await exchange(rig.relay.port, requestBytes({ method: 'OPTIONS', target: '*' }))
    expect(answer.status).toBeLessThan(500)
    expect(rig.vendor.requests).toEqual([])
  })

  it.each(['nobody', 'OPENAI', 'openai.evil', '__proto__', 'constructor', 'toString', 'open%61i%00', ''])(
    'knows no vendor "%s"',
    async (name) => {
      const answer = await exchange(rig.relay.port, get(`/proxy/${name}/v1/models`))
      expect([400, 404]).toContain(answer.status)
      expect(rig.vendor.requests).toEqual([])
    },
  )

  it('answers 404 with vendor_not_found to an unknown vendor', async () => {
    const answer = await exchange(rig.relay.port, get('/proxy/nobody/v1/models'))
    expectRefusal(answer, openai, { status: 404, code: 'vendor_not_found' })
  })

  it.each(['/', '/proxy', '/proxyopenai/v1/models', '/v1/models', '/metrics', '/.env', '/admin'])(
    'serves nothing at %s',
    async (target) => {
      const answer = await exchange(rig.relay.port, get(target))
      expect(answer.status).toBe(404)
      expect(rig.vendor.requests).toEqual([])
    },
  )
})

// An upstream may be a path on a shared gateway: https://gateway.example/tenant-a. Whoever climbs out of it uses the
// neighbour's tenant with our key, or the gateway's admin routes.
describe('only below the configured path', () => {
  let vendor: ScriptedVendor
  let relay: Service
  beforeAll(async () => {
    vendor = await ScriptedVendor.start()
    relay = await startRelay(relayEnv(`${vendor.origin}/tenant/a`))
  })
  afterAll(async () => {
    await relay.stop()
    await vendor.stop()
  })

  const CLIMBS = [
    '/proxy/openai/../../admin',
    '/proxy/openai/v1/../../../admin',
    '/proxy/openai/v1/..',
    '/proxy/openai/v1/../../..//admin',
    '/proxy/openai/v1/./../../../admin',
    '/proxy/openai/v1/%2e%2e/%2e%2e/%2e%2e/admin',
    '/proxy/openai/v1/%2E%2E/..%2f../admin',
    '/proxy/openai/v1/.%2e/.%2e/.%2e/admin',
    '/proxy/openai/v1/..%2f..%2f..%2fadmin',
    '/proxy/openai/v1%2f..%2f..%2f..%2fadmin',
    '/proxy/openai/v1/%252e%252e/%252e%252e/%252e%252e/admin',
    '/proxy/openai/v1/..%252f..%252f..%252fadmin',
    '/proxy/openai/v1/%25252e%25252e/%25252e%25252e/%25252e%25252e/admin',
    '/proxy/openai/v1/..\\..\\..\\admin',
    '/proxy/openai/v1/..%5c..%5c..%5cadmin',
    '/proxy/openai/v1/%2e%2e%5c%2e%2e%5c%2e%2e%5cadmin',
    '/proxy/openai/v1/..;/..;/..;/admin',
    '/proxy/openai/v1/..%00/..%00/..%00/admin',
    '/proxy/openai/v1/..%09/..%0d/..%0a/admin',
    '/proxy/openai/v1/%c0%ae%c0%ae/%c0%ae%c0%ae/%c0%ae%c0%ae/admin',
    '/proxy/openai/upload/../../../admin',
    '/proxy/openai/ws/..%2f..%2f..%2fadmin',
    '/proxy/anthropic/../openai/v1/../../../admin',
    '/proxy/openai/v1/files#/../../../admin',
    '/../proxy/openai/v1/models',
    '/proxy/../proxy/openai/../../admin',
  ]
  it.each(CLIMBS)('does not climb out: %s', async (target) => {
    vendor.clear()
    const client = await RawClient.connect(relay.port)
    await client.send(get(target))
    const [answer] = await client.answered()
    client.destroy()
    // Whatever server stands there may decode any number of times, take \ for / and cut ;parameters off.
    for (const request of vendor.requests)
      expect(resolved(request.target), request.target).toMatch(/^\/tenant\/a\/v1(\/|$)/)
    if (vendor.requests.length === 0) expect([400, 404]).toContain(answer?.status)
  })

  function resolved(target: string): string {
    let path = target.split(/[?#]/)[0] ?? ''
    for (let last = ''; last !== path; ) {
      last = path
      path = path
        .replaceAll(/%c0%ae/gi, '.')
        .replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    }
    const kept: string[] = []
    for (const part of path.replaceAll('\\', '/').split('/')) {
      const name = part.replace(/;.*$/, '').replaceAll(/[^\x21-\x7e]/g, '')
      if (name === '..') kept.pop()
      else if (name !== '' && name !== '.') kept.push(name)
    }
    return `/${kept.join('/')}`
  }
})

describe('paths and queries that are right', () => {
  const rig = relayRig()
  const PASSED: Readonly<Record<string, string>> = {
    '/proxy/openai/v1/models': '/v1/models',
    '/proxy/openai/models': '/v1/models',
    '/proxy/openai/chat/completions': '/v1/chat/completions',
    '/proxy/anthropic/messages': '/v1/messages',
    '/proxy/anthropic/v1/messages?beta=true': '/v1/messages?beta=true',
    '/proxy/gemini/models/gemini-x:generateContent': '/v1beta/models/gemini-x:generateContent',
    '/proxy/gemini/v1/models/gemini-x:streamGenerateContent?alt=sse':
      '/v1/models/gemini-x:streamGenerateContent?alt=sse',
    '/proxy/gemini/v1alpha/auth_tokens': '/v1alpha/auth_tokens',
    '/proxy/gemini/upload/v1beta/files?upload_id=A%2Bb': '/upload/v1beta/files?upload_id=A%2Bb',
    '/proxy/gemini/download/v1beta/files/a:download?alt=media': '/download/v1beta/files/a:download?alt=media',
    // Repeated and bracketed keys in their order, escapes and empty parts as they are.
    '/proxy/openai/v1/x?include[]=b&include[]=a&metadata[k]=v&b&c=&=d&&e=%e4%BD%a0+%20':
      '/v1/x?include[]=b&include[]=a&metadata[k]=v&b&c=&=d&&e=%e4%BD%a0+%20',
    '/proxy/openai/v1/x?': '/v1/x?',
    '/proxy/openai/v1/x?a=/../b&u=http://h/?q': '/v1/x?a=/../b&u=http://h/?q',
    '/proxy/openai/v1/models/ft:gpt-4o:org%2Fteam::id%20%C3%A4': '/v1/models/ft:gpt-4o:org%2Fteam::id%20%C3%A4',
    "/proxy/openai/v1/x/...y/.z./~a!$&'()*,;=@b": "/v1/x/...y/.z./~a!$&'()*,;=@b",
    '/proxy/openai/v1/x/': '/v1/x/',
    '/proxy/openai/v1/x/%7e%41': '/v1/x/%7e%41',
    '/proxy/openai/v10/x': '/v10/x',
    '/proxy/openai/vector_stores': '/v1/vector_stores',
    '/proxy/openai/videos': '/v1/videos',
  }
  for (const [target, expected] of Object.entries(PASSED)) {
    it(`passes ${target}`, async () => {
      const headers = [target.includes('/gemini/') ? DIALECTS.gemini.credential : openai.credential]
      const answer = await exchange(rig.relay.port, get(target, headers))
      expect(answer.status, answer.text).toBe(200)
      expect(rig.vendor.only.target).toBe(expected)
    })
  }

  it.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY'])(
    'passes the method %s',
    async (method) => {
      const bytes = requestBytes({ method, target: '/proxy/openai/v1/x', headers: [openai.credential] })
      const answer = await exchange(rig.relay.port, bytes, { method })
      expect(answer.status).toBe(200)
      expect(rig.vendor.only.method).toBe(method)
    },
  )
})
