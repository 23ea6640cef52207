import { expect, it } from 'vitest'
import { DIALECTS } from '../../src/vendors/registry.ts'

it.each([
  ['anthropic', 'instructions alone', { role: 'system' as const, content: 'be brief' }],
  ['anthropic', 'an empty message', { role: 'user' as const, content: '' }],
  ['gemini', 'instructions alone', { role: 'system' as const, content: 'be brief' }],
  ['gemini', 'an empty message', { role: 'user' as const, content: '' }],
])('%s is sent no request with %s', (vendor, _, message) => {
  const target = { vendor, model: 'm' }
  expect(() => DIALECTS[vendor]!.request({ model: 'm', messages: [message] }, target)).toThrow(
    expect.objectContaining({
      code: 'invalid_request',
      param: 'messages',
      message: expect.stringContaining('no user'),
    }),
  )
})
