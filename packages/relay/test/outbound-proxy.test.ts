import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { buildConnector, Client } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificates } from '../../../test/testkit/certs.ts'
import { ScriptedVendor } from '../../../test/testkit/scripted-vendor.ts'
import { proxyFor, tunnel } from '../src/outbound-proxy.ts'

const PROXY = 'http://proxy.example:3128'
const viaProxy = (url: string, no?: string): boolean =>
  proxyFor(new URL(url), { https: PROXY, http: PROXY, no }) !== undefined

describe('proxyFor', () => {
  it.each([
    ['https://api.openai.com', undefined, true],
    ['http://api.openai.com', undefined, true],
    ['https://api.openai.com', 'openai.com', false],
    ['https://api.openai.com', '.openai.com', false],
    ['https://api.openai.com', '*.openai.com', false],
    ['https://api.openai.com', 'a.com, api.openai.com:443', false],
    ['https://api.openai.com', 'api.openai.com:8443', true],
    ['https://notopenai.com', 'openai.com', true],
    ['https://api.openai.com', '*', false],
    ['http://127.0.0.1:8000', undefined, false],
    ['http://localhost:8000', undefined, false],
    ['http://[::1]:8000', undefined, false],
  ])('%s with NO_PROXY %s: %s', (url, no, expected) => {
    expect(viaProxy(url, no)).toBe(expected)
  })

  it('takes none where none is set', () => {
    expect(proxyFor(new URL('https://a.example'), { http: PROXY })).toBeUndefined()
    expect(proxyFor(new URL('https://a.example'), { https: 'proxy:1' })?.href).toBe('http://proxy:1/')
  })
})

describe('tunnel', () => {
  const asked: IncomingMessage[] = []
  const server = createServer()
  let vendor: ScriptedVendor
  beforeAll(async () => {
    vendor = await ScriptedVendor.start()
    server.on('connect', (request: IncomingMessage, socket: Socket) => {
      asked.push(request)
      if (request.url?.startsWith('refused')) {
        socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
        return
      }
      if (request.url?.startsWith('silent')) return
      const [, port] = request.url?.split(':') ?? []
      const upstream = connect(port === '80' ? vendor.port : Number(port), '127.0.0.1', () =>
        socket.write('HTTP/1.1 200 OK\r\n\r\n'),
      )
      upstream.pipe(socket).pipe(upstream)
      upstream.on('error', () => socket.destroy())
      socket.on('error', () => upstream.destroy())
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  afterAll(async () => {
    server.closeAllConnections()
    server.close()
    await vendor.stop()
  })
  const get = async (origin: string): Promise<number> => {
    const proxy = new URL(`http://user:p%40ss@127.0.0.1:${(server.address() as AddressInfo).port}`)
    const client = new Client(origin, { connect: tunnel(proxy, buildConnector({}), 300) })
    try {
      return (await client.request({ path: '/x', method: 'GET' })).statusCode
    } finally {
      await client.destroy()
    }
  }

  it('lets the proxy resolve the name, and tells it who asks', async () => {
    expect(await get('http://vendor.invalid:80')).toBe(200)
    expect(asked[0]?.url).toBe('vendor.invalid:80')
    expect(asked[0]?.headers['proxy-authorization']).toBe(`Basic ${Buffer.from('user:p@ss').toString('base64')}`)
    expect(vendor.only.header('proxy-authorization')).toBeUndefined()
  })

  it('speaks TLS with the vendor through the proxy, which sees nothing of it', async () => {
    const { key, cert, ca, remove } = createCertificates()
    const secure = await ScriptedVendor.start({ tls: { key, cert } })
    const proxy = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const connector = tunnel(proxy, buildConnector({ ca, allowH2: false }), 1000)
    const client = new Client(`https://localhost:${secure.port}`, { connect: connector })
    expect((await client.request({ path: '/x', method: 'GET' })).statusCode).toBe(200)
    expect(asked.at(-1)?.url).toBe(`localhost:${secure.port}`)
    await client.destroy()
    await secure.stop()
    remove()
  })

  it('fails when the proxy refuses or says nothing', async () => {
    await expect(get('http://refused.invalid')).rejects.toThrow('403')
    await expect(get('http://silent.invalid')).rejects.toThrow('in time')
  })
})
