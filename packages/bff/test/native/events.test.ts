import { describe, expect, it } from 'vitest'
import { EventSplitter } from '../../src/native/events.ts'

const split = (pieces: readonly Buffer[]): string[] => {
  const splitter = new EventSplitter()
  const events = pieces.flatMap((piece) => [...splitter.push(piece)])
  return [...events, splitter.rest()].map((event) => event.toString()).filter((event) => event !== '')
}

describe('events', () => {
  it.each(['\n\n', '\r\n\r\n', '\r\r'])('ended by %j are the same however the bytes are cut', (ending) => {
    const newline = ending.slice(0, ending.length / 2)
    const events = [`event: a${newline}data: ü1${ending}`, `: hi${ending}`, `data: 你好${ending}`, 'data: unfinished']
    const bytes = Buffer.from(events.join(''))
    for (let at = 0; at <= bytes.length; at++) {
      expect(split([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(events)
    }
    expect(split([...bytes].map((byte) => Buffer.from([byte])))).toEqual(events)
  })
})
