import { describe, expect, it } from 'vitest'
import { findCredential, withoutKeyParameter } from '../src/caller.ts'
import { DIALECTS } from '../src/wire/index.ts'

const find = (headers: string[], query = '', places = DIALECTS.gemini.credentialPlaces): unknown => {
  const found = findCredential(headers, query, places)
  return found.kind === 'credential' ? [found.value, found.place] : found.fault
}

describe('findCredential', () => {
  it.each([
    [['Authorization', 'Bearer t'], '', ['t', 'authorization']],
    [['AUTHORIZATION', 'bEARER   t'], '', ['t', 'authorization']],
    [['X-Goog-Api-Key', 't'], '', ['t', 'x-goog-api-key']],
    [[], 'a=1&key=t%2B', ['t+', 'query']],
    [['authorization', ''], 'key=t', ['t', 'query']],
    [[], '', 'missing'],
    [['authorization', ''], 'key=', 'missing'],
    [[], 'monkey=t&keys=t', 'missing'],
    [['authorization', 'Basic dTpw'], '', 'malformed'],
    [['authorization', 't'], '', 'malformed'],
    [['authorization', 'Bearer a b'], '', 'malformed'],
    [['authorization', 'Bearer t', 'authorization', 'Bearer t'], '', 'ambiguous'],
    [['authorization', 'Bearer t', 'x-goog-api-key', 't'], '', 'ambiguous'],
    [['x-goog-api-key', 't'], 'key=t', 'ambiguous'],
    [[], 'key=t&k%65y=u', 'ambiguous'],
    [['x-api-key', 't'], '', 'misplaced'],
    [['api-key', 't'], '', 'misplaced'],
    [['sec-websocket-protocol', 'realtime, openai-insecure-api-key.t'], '', 'misplaced'],
  ])('%j ?%s → %j', (headers, query, expected) => {
    expect(find(headers, query)).toEqual(expected)
  })

  it('takes a subprotocol where WebSockets may have one', () => {
    const header = ['Sec-WebSocket-Protocol', 'realtime, openai-insecure-api-key.t, openai-organization.o']
    expect(find(header, '', DIALECTS.openai.webSocketPlaces)).toEqual(['t', 'subprotocol'])
    expect(find(header, 'key=u', DIALECTS.openai.webSocketPlaces)).toBe('ambiguous')
  })

  it('says where the credential belongs, and never what it was', () => {
    const found = findCredential(['x-api-key', 'secret-value'], '', DIALECTS.openai.credentialPlaces)
    expect(found).toMatchObject({ message: expect.stringContaining('Authorization header') })
    expect(JSON.stringify(found)).not.toContain('secret-value')
  })
})

describe('withoutKeyParameter', () => {
  it.each([
    ['a=1&key=t&b=%20&a=2', 'a=1&b=%20&a=2'],
    ['key=t', ''],
    ['k%65y=t&x', 'x'],
    ['monkey=1', 'monkey=1'],
    ['', ''],
  ])('%s → %s', (query, rest) => {
    expect(withoutKeyParameter(query)).toBe(rest)
  })
})
