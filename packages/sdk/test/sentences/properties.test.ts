import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Sentence, SentenceSplitter, speakable } from '../../src/index.ts'
import { CORPUS } from './corpus.ts'

const RUNS = { numRuns: 500 }

// Everything that bears on a cut, in any order, and anything else.
const marks =
  '。 ！ ？ … …… ； ， ： 、 . ! ? , ; : ... ” " 」 ） ) 1 23 4.5 12:30 Mr. e.g. U.S. No. https://a.cn/b?c=1.2 ``` ~~~ ` ** _ # - > | [a](b) ] 😀 👩‍🚀 । ؟'
const piece = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...marks.split(' '), ' ', '\n', '\n\n', '\r\n', '\n```\n', '\u3000') },
  {
    weight: 4,
    arbitrary: fc.constantFrom('你好', '今天天气', 'hello', 'World', 'a', 'I', '是', 'x'.repeat(60), '字'.repeat(40)),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 4 }) },
)
const text = fc.oneof(
  fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join('')),
  fc.constantFrom(...Object.values(CORPUS)),
)
const places = fc.array(fc.nat(), { maxLength: 60 })

/** Cuts a text at these places, between the halves of a character too. */
function chunks(whole: string, at: readonly number[]): string[] {
  const cuts = [...new Set(at.map((place) => place % (whole.length + 1)))].sort((a, b) => a - b)
  return [0, ...cuts].map((start, i) => whole.slice(start, cuts[i]))
}

function split(pieces: readonly string[]): Sentence[] {
  const splitter = new SentenceSplitter()
  return [...pieces.flatMap((each) => splitter.push(each)), ...splitter.end()]
}

describe('for any text', () => {
  it('nothing is lost, nothing doubled, the order kept', () => {
    fc.assert(
      fc.property(text, (whole) => {
        expect(
          split([whole])
            .map(({ raw }) => raw)
            .join(''),
        ).toBe(whole)
      }),
      RUNS,
    )
  })

  it('any chunking gives the same sentences', () => {
    fc.assert(
      fc.property(text, places, (whole, at) => {
        const expected = split([whole])
        expect(split(chunks(whole, at))).toEqual(expected)
        expect(split(whole.split(''))).toEqual(expected)
      }),
      RUNS,
    )
  })

  it('what waits is bounded', () => {
    fc.assert(
      fc.property(text, (whole) => {
        const splitter = new SentenceSplitter()
        let waiting = 0
        for (const each of whole.repeat(20).split('')) {
          waiting += each.length - splitter.push(each).reduce((sum, { raw }) => sum + raw.length, 0)
          expect(waiting).toBeLessThan(4_200)
        }
      }),
      { numRuns: 100 },
    )
  })
})

describe('the first sentence', () => {
  it('comes no later than a regular expression on 。！？ gives it', () => {
    const prose = text.filter((whole) => !/```|~~~/.test(whole))
    fc.assert(
      fc.property(prose, (whole) => {
        // The regular expression's first sentence that a voice can say anything of.
        const end = [...whole.matchAll(/[。！？]/g)].find(({ index }) => speakable(whole.slice(0, index + 1)) !== '')
        if (!end) return
        const said = new SentenceSplitter().push(whole.slice(0, end.index + 1))
        expect(said.some((sentence) => sentence.text !== '')).toBe(true)
      }),
      RUNS,
    )
  })
})
