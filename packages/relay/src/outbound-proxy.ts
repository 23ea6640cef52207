import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import type { buildConnector } from 'undici'
import type { ProxySettings } from './config.ts'

const LOOPBACK = /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/

/** The proxy that leads to an origin, by the usual meaning of HTTPS_PROXY, HTTP_PROXY and NO_PROXY. */
export function proxyFor(origin: URL, { https, http, no = '' }: ProxySettings): URL | undefined {
  const proxy = origin.protocol === 'https:' ? https : http
  if (proxy === undefined || LOOPBACK.test(origin.hostname)) return undefined
  const port = origin.port || (origin.protocol === 'https:' ? '443' : '80')
  const exempt = no.split(/[,\s]+/).some((entry) => entry !== '' && matches(entry.toLowerCase(), origin.hostname, port))
  return exempt ? undefined : new URL(proxy.includes('://') ? proxy : `http://${proxy}`)
}

function matches(entry: string, hostname: string, port: string): boolean {
  if (entry === '*') return true
  const [, name = entry, entryPort] = /^(.+?)(?::(\d+))?$/.exec(entry) ?? []
  if (entryPort !== undefined && entryPort !== port) return false
  const domain = name.replace(/^\*?\./, '')
  return hostname === domain || hostname.endsWith(`.${domain}`)
}

/**
 * A connector that reaches its hosts through CONNECT at a proxy, so that the proxy sees names and no more. The proxy
 * resolves them: where it is needed, DNS may be poisoned.
 */
export function tunnel(proxy: URL, direct: buildConnector.connector, timeoutMs: number): buildConnector.connector {
  return (options, callback) => {
    const port = options.port || (options.protocol === 'https:' ? '443' : '80')
    openTunnel(proxy, `${options.hostname}:${port}`, timeoutMs).then(
      (socket) => {
        if (options.protocol === 'https:') direct({ ...options, httpSocket: socket }, callback)
        else callback(null, socket)
      },
      (error: Error) => callback(error, null),
    )
  }
}

function openTunnel(proxy: URL, authority: string, timeoutMs: number): Promise<Socket> {
  const request = proxy.protocol === 'https:' ? httpsRequest : httpRequest
  const headers = { host: authority, ...credentials(proxy) }
  return new Promise((resolve, reject) => {
    const connect = request({
      hostname: proxy.hostname.replace(/^\[|\]$/g, ''),
      port: proxy.port,
      method: 'CONNECT',
      path: authority,
      headers,
      agent: false,
    })
    const timer = setTimeout(() => connect.destroy(new Error('the proxy did not answer CONNECT in time')), timeoutMs)
    const refused = (status: number | undefined): void => {
      connect.destroy()
      reject(new Error(`the proxy answered CONNECT with ${status}`))
    }
    connect.once('close', () => clearTimeout(timer))
    connect.once('error', reject)
    connect.once('response', ({ statusCode }) => refused(statusCode))
    connect.once('connect', ({ statusCode }, socket) => {
      clearTimeout(timer)
      if (statusCode === 200) resolve(socket as Socket)
      else refused(statusCode)
    })
    connect.end()
  })
}

function credentials({ username, password }: URL): Record<string, string> {
  if (username === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` }
}
