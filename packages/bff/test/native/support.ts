import { request } from 'node:http'
import { DIALECTS, type Dialect } from '../../../../test/testkit/dialects.ts'
import type { Vendor } from '../../../../test/testkit/services.ts'
import { BFF_KEY, type TestBff } from '../support.ts'

export { DIALECTS }
export const VENDORS: readonly Vendor[] = ['openai', 'anthropic', 'gemini']

/** The BFF's key where the vendor's SDK puts it. */
const keyHeader = ({ credential: [name] }: Dialect): Record<string, string> => ({
  [name]: name === 'authorization' ? `Bearer ${BFF_KEY}` : BFF_KEY,
})

export interface NativeCall {
  readonly method?: string
  readonly body?: string
  readonly headers?: Record<string, string>
  readonly signal?: AbortSignal
}

/** Calls `/proxy/{vendor}{path}` as the vendor's SDK would. */
export function callNative(
  { origin }: TestBff,
  vendor: Vendor,
  path: string,
  call: NativeCall = {},
): Promise<Response> {
  const { method = 'POST', body, headers, signal } = call
  return fetch(`${origin}/proxy/${vendor}${path}`, {
    method,
    headers: { ...keyHeader(DIALECTS[vendor]), 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body }),
    ...(signal === undefined ? {} : { signal }),
  })
}

/** What came of an answer, as a raw client sees it. */
export interface RawAnswer {
  readonly status: number
  readonly bytes: Buffer
  /** Whether the answer ended as HTTP says it must. */
  readonly isComplete: boolean
}

/** Reads an answer to its end, also to one that breaks off. */
export function rawNative({ origin }: TestBff, vendor: Vendor, path: string, body: string): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const headers = { ...keyHeader(DIALECTS[vendor]), 'content-type': 'application/json' }
    const sent = request(`${origin}/proxy/${vendor}${path}`, { method: 'POST', headers }, (answer) => {
      const pieces: Buffer[] = []
      answer.on('data', (piece: Buffer) => pieces.push(piece))
      answer.on('error', () => {})
      answer.on('close', () =>
        resolve({ status: answer.statusCode ?? 0, bytes: Buffer.concat(pieces), isComplete: answer.complete }),
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** The access line of the only call, once it is there. */
export function accessLine({ logLines }: TestBff): Record<string, unknown> | undefined {
  return logLines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .find(({ event, vendor }) => event === 'request' && vendor !== undefined)
}
