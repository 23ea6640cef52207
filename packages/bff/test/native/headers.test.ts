import { expect, it } from 'vitest'
import { headersForCaller, headersForVendor } from '../../src/native/headers.ts'

it('what any Connection line names goes no further, to either side', () => {
  const raw = ['Connection', 'keep-alive', 'X-Hop', '1', 'connection', 'X-HOP, te', 'X-Kept', 'a', 'x-kept', 'b']
  expect(headersForVendor(raw, /$^/)).toEqual({ 'x-kept': ['a', 'b'], 'accept-encoding': 'identity' })
  const answer = { connection: 'close, x-hop', 'x-hop': '1', 'x-kept': 'a', 'proxy-authentication-info': 'b' }
  expect(headersForCaller(answer, /$^/)).toEqual({ 'x-kept': 'a' })
})
