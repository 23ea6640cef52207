import { describe, expect, it } from 'vitest'
import { answerHeaders, headerValue, requestHeaders, setHeader } from '../src/headers.ts'

const NO_URLS = { headers: [], rewrite: () => undefined }
const bytes = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text, 'latin1'))

describe('requestHeaders', () => {
  it('keeps order, spelling and repetition', () => {
    const raw = ['X-B', '1', 'x-a', 'ü', 'X-B', '2', 'traceparent', '00-a-b-01']
    expect(requestHeaders(raw, 'keep-alive')).toEqual(raw)
  })

  it.each([
    'Host',
    'content-length',
    'Connection',
    'Keep-Alive',
    'Proxy-Authorization',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Upgrade',
    'Expect',
    'Authorization',
    'X-API-Key',
    'api-key',
    'x-goog-api-key',
    'Cookie',
    'Via',
    'Forwarded',
    'X-Forwarded-For',
    'x-forwarded-anything',
    'X-Real-IP',
    'CF-Connecting-IP',
    'x-ferry-exchange',
    'X-Ferry-Timeout-Ms',
    'Sec-WebSocket-Protocol',
    ':authority',
  ])('%s ends here', (name) => {
    expect(requestHeaders([name, 'x', 'accept', '*/*'], undefined)).toEqual(['accept', '*/*'])
  })

  it('drops what Connection names', () => {
    expect(requestHeaders(['X-Mine', '1', 'x-yours', '2'], 'close, x-MINE')).toEqual(['x-yours', '2'])
  })
})

describe('answerHeaders', () => {
  it('drops cookies, hop-by-hop headers and what only the relay may say', () => {
    const raw = bytes(
      'Set-Cookie',
      'a=b',
      'X-Ferry-Error',
      'no',
      'Alt-Svc',
      'h3',
      'Connection',
      'x-inner',
      'X-Inner',
      '1',
    )
    expect(answerHeaders([...raw, ...bytes('X-Request-Id', 'r')], 'secret', NO_URLS, 'id')).toEqual([
      'X-Request-Id',
      'r',
      'x-ferry-request-id',
      'id',
    ])
  })

  it('never passes the key that was used', () => {
    const raw = bytes('x-debug', 'called with Bearer sk-secret-0123', 'x-fine', 'sk-other')
    expect(answerHeaders(raw, 'sk-secret-0123', NO_URLS, 'id')).toEqual([
      'x-fine',
      'sk-other',
      'x-ferry-request-id',
      'id',
    ])
  })

  it('rewrites URLs, and drops those that cannot be', () => {
    const urls = {
      headers: ['location', 'x-goog-upload-url'],
      rewrite: (url: string) => (url === 'bad' ? undefined : `me:${url}`),
    }
    const raw = bytes('Location', 'bad', 'X-Goog-Upload-URL', 'u')
    expect(answerHeaders(raw, 'k', urls, 'id')).toEqual(['X-Goog-Upload-URL', 'me:u', 'x-ferry-request-id', 'id'])
  })

  it('keeps bytes beyond ASCII', () => {
    expect(answerHeaders(bytes('x-note', 'caf\xe9'), 'secret', NO_URLS, 'id')[1]).toBe('caf\xe9')
  })
})

describe('flat headers', () => {
  it('are set and found in any letter case', () => {
    const flat = ['Accept', 'a', 'X-Key', '1', 'x-key', '2']
    setHeader(flat, 'x-key', '3')
    setHeader(flat, 'new', 'n')
    expect(flat).toEqual(['Accept', 'a', 'X-Key', '3', 'x-key', '3', 'new', 'n'])
    expect(headerValue(flat, 'accept')).toBe('a')
    expect(headerValue(flat, 'none')).toBeUndefined()
  })
})
