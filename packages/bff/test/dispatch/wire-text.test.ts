import type { ChatChunk } from '@llm-ferry/sdk'
import { expect, test } from 'vitest'
import { keepWireText, wireText } from '../../src/dispatch/wire-text.ts'

const text = '{ "id": "1",  "object": "chat.completion.chunk", "choices": [] }'
const parsed = (): ChatChunk => JSON.parse(text)

test('a chunk that passes as it came has the text it came in', () => {
  const chunk = parsed()
  keepWireText(chunk, text)
  expect(wireText(chunk)).toBe(text)
})

test('a copy with another field is written anew', () => {
  const chunk = parsed()
  keepWireText(chunk, text)
  expect(JSON.parse(wireText({ ...chunk, model: 'other' }))).toEqual({ ...JSON.parse(text), model: 'other' })
})

test('a chunk whose text is not known is written anew', () => {
  expect(wireText(parsed())).toBe(JSON.stringify(parsed()))
})

test('text of several lines, which one data field cannot hold, is written anew', () => {
  const chunk = parsed()
  keepWireText(chunk, text.replaceAll(', ', ',\n'))
  expect(wireText(chunk)).not.toContain('\n')
})
