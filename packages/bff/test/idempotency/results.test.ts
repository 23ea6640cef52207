import { expect, test } from 'vitest'
import { identify } from '../../src/idempotency/identity.ts'
import { openResult, sealResult } from '../../src/idempotency/results.ts'

const caller = { key: 'app', user: 'ann' }
const asked = { url: '/v1/chat/completions', body: Buffer.from('{"model":"m"}'), contentType: 'application/json' }
const mine = identify(caller, 'chat', 'k-1', asked)
const result = { head: { status: 200, headers: { a: 'b' } }, body: Buffer.from('the answer'), target: undefined }

test('a stored answer opens with the same request, and says nothing to whoever keeps it', () => {
  const sealed = sealResult(result, mine)
  expect(openResult(sealed, identify(caller, 'chat', 'k-1', asked))).toEqual(result)
  expect(sealed.includes('the answer')).toBe(false)
  expect(sealResult(result, mine)).not.toEqual(sealed)
})

test.each([
  ['key', identify(caller, 'chat', 'k-2', asked)],
  ['body', identify(caller, 'chat', 'k-1', { ...asked, body: Buffer.from('{}') })],
  ['address', identify(caller, 'chat', 'k-1', { ...asked, url: '/v1/embeddings' })],
  ['caller', identify({ key: 'other', user: 'ann' }, 'chat', 'k-1', asked)],
])('another %s does not open it', (_, other) => {
  expect(openResult(sealResult(result, mine), other)).toBeUndefined()
})

test('nor does it open when it is damaged or cut short', () => {
  const sealed = sealResult(result, mine)
  sealed[20] = (sealed[20] ?? 0) ^ 1
  expect(openResult(sealed, mine)).toBeUndefined()
  expect(openResult(sealed.subarray(0, 10), mine)).toBeUndefined()
})

test('what the store knows of a call does not hold its secret', () => {
  expect(mine.digest).not.toContain(mine.secret.toString('base64url'))
  expect(mine.name).not.toContain(mine.secret.toString('base64url'))
})
