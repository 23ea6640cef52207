import { describe, expect, test } from 'vitest'
import { joined } from '../src/joined.ts'

/** A socket read with these chunks in it, as memory of its own, and the views that a parser makes of it. */
function read(...texts: string[]): { memory: Buffer; pieces: Buffer[] } {
  const before = 'HTTP/1.1 200 OK\r\n\r\n'
  const chunks = texts.map((text) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`)
  const text = `${before}${chunks.join('')}0\r\nx-trailer: kept\r\n\r\n`
  const memory = Buffer.allocUnsafeSlow(Buffer.byteLength(text))
  memory.write(text)
  let at = before.length
  const pieces = texts.map((piece, i) => {
    const length = Buffer.byteLength(piece)
    const start = at + length.toString(16).length + 2
    at += Buffer.byteLength(chunks[i] ?? '')
    return memory.subarray(start, start + length)
  })
  return { memory, pieces }
}

const total = (pieces: readonly Buffer[]): number => pieces.reduce((sum, { length }) => sum + length, 0)
const join = (pieces: readonly Buffer[]): Buffer => joined(pieces, total(pieces))

describe('pieces of a body', () => {
  test('of one read are moved together where they lie; what stands before and behind them stays', () => {
    const texts = ['data: {"a":1}\n\n', 'x', 'ü'.repeat(3000), 'data: [DONE]\n\n']
    const { memory, pieces } = read(...texts)
    const [head, tail] = [memory.toString('latin1', 0, 19), memory.toString('latin1').slice(-24)]
    const whole = join(pieces)
    expect(whole.toString()).toBe(texts.join(''))
    expect(whole.buffer).toBe(memory.buffer)
    expect(memory.toString('latin1', 0, 19)).toBe(head)
    expect(memory.toString('latin1').slice(-24)).toBe(tail)
  })

  test('of many chunks arrive as they were', () => {
    const texts = Array.from({ length: 500 }, (_, i) => `data: ${i} ${'中'.repeat(i % 50)}\n\n`)
    expect(join(read(...texts).pieces).toString()).toBe(texts.join(''))
  })

  test('of several reads are copied', () => {
    const [one, other] = [read('one ', 'two '), read('three ', 'four')]
    const whole = join([...one.pieces, ...other.pieces])
    expect(whole.toString()).toBe('one two three four')
    expect(one.memory.toString()).toContain('one \r\n4\r\ntwo ')
    expect(other.memory.toString()).toContain('three \r\n4\r\nfour')
  })

  test.each([
    ['somebody else’s bytes between them', 'aaa', 'not ours', 'bbb'],
    ['bytes that only begin like a frame', 'aaa', '\r\n12345678', 'bbb'],
    ['bytes that only end like a frame', 'aaa', '12345678\r\n', 'bbb'],
    ['a gap longer than a frame', 'aaa', '\r\n3;name=value-of-it\r\n', 'bbb'],
    ['a gap shorter than a frame', 'aaa', '\r\n', 'bbb'],
  ])('with %s are copied, and nothing is overwritten', (_, first, gap, second) => {
    const memory = Buffer.from(new Uint8Array(Buffer.from(first + gap + second)).buffer)
    const pieces = [memory.subarray(0, first.length), memory.subarray(first.length + gap.length)]
    expect(join(pieces).toString()).toBe(first + second)
    expect(memory.toString()).toBe(first + gap + second)
  })

  test('in another order than in memory are copied', () => {
    const { pieces } = read('aaa', 'bbb')
    expect(join(pieces.toReversed()).toString()).toBe('bbbaaa')
  })

  test('that touch, one alone, and none', () => {
    const memory = Buffer.from('abcdef')
    expect(join([memory.subarray(0, 2), memory.subarray(2, 5)]).toString()).toBe('abcde')
    expect(join([memory])).toBe(memory)
    expect(join([])).toHaveLength(0)
  })
})
