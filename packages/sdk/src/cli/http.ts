import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { ClientCertificate } from '../client-certificate.ts'
import type { Settings } from './settings.ts'

/** An answer, read to its end (of which at most 1 MiB is kept). */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  /** From the request's first byte to the answer's head, in ms. */
  readonly headMs: number
  /** From the request's first byte to the answer's end, in ms. */
  readonly totalMs: number
  /** When the head came, in ms since 1970. */
  readonly at: number
}

/** What to ask. */
export interface Question {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
  /** Default 10000. */
  readonly timeoutMs?: number
}

const KEPT_BYTES = 1_048_576

/** Asks one origin, over one connection that stays open. */
export class Asker {
  readonly #origin: URL
  readonly #agent: HttpAgent | HttpsAgent

  /**
   * @param shown to a server that asks for a certificate.
   * @param proxy HTTPS_PROXY, HTTP_PROXY and NO_PROXY, where it goes by them.
   */
  constructor(origin: URL, shown?: ClientCertificate, proxy?: Settings) {
    this.#origin = origin
    const options = { keepAlive: true, maxSockets: 1, ...(proxy && { proxyEnv: proxy }) }
    this.#agent = origin.protocol === 'https:' ? new HttpsAgent({ ...options, ...shown }) : new HttpAgent(options)
  }

  /** @param path below the origin's own path. */
  ask(path: string, { method = 'GET', headers = {}, body, timeoutMs = 10_000 }: Question = {}): Promise<Answer> {
    const url = new URL(this.#origin.pathname.replace(/\/$/, '') + path, this.#origin)
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    const length = body === undefined ? {} : { 'content-length': String(body.length) }
    const startedAt = performance.now()
    return new Promise((resolve, reject) => {
      const signal = AbortSignal.timeout(timeoutMs)
      const request = send(
        url,
        { method, headers: { ...headers, ...length }, agent: this.#agent, signal },
        (response) => {
          const [headMs, at] = [performance.now() - startedAt, Date.now()]
          const chunks: Buffer[] = []
          let kept = 0
          response.on('data', (chunk: Buffer) => {
            if (kept < KEPT_BYTES) chunks.push(chunk)
            kept += chunk.length
          })
          response.on('error', reject)
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              body: Buffer.concat(chunks),
              headMs,
              totalMs: performance.now() - startedAt,
              at,
            }),
          )
        },
      )
      request.on('error', (error) =>
        reject(
          signal.aborted ? Object.assign(new Error(`no answer within ${timeoutMs} ms`), { code: 'ETIMEDOUT' }) : error,
        ),
      )
      request.end(body)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}
