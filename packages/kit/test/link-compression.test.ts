import { ConfigError, linkCompression, readVariables } from '@llm-ferry/kit'
import { expect, test } from 'vitest'

const read = (text: string | undefined) =>
  readVariables({ LINK_COMPRESSION: linkCompression }, { LINK_COMPRESSION: text }).LINK_COMPRESSION

test.each([
  [undefined, { requests: true, differences: true, answers: true }],
  ['none', { requests: false, differences: false, answers: false }],
  ['answers', { requests: false, differences: false, answers: true }],
  ['requests, answers', { requests: true, differences: false, answers: true }],
])('LINK_COMPRESSION %s', (text, compression) => {
  expect(read(text)).toEqual(compression)
})

test('LINK_COMPRESSION names what it does not know', () => {
  expect(() => read('requests,everything')).toThrow(ConfigError)
  expect(() => read('off')).toThrow(
    'LINK_COMPRESSION must be names out of requests, differences, answers with commas, or none',
  )
})
