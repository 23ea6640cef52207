import { describe, expect, it } from 'vitest'
import { SentenceSplitter } from '../../src/index.ts'
import { CORPUS } from './corpus.ts'

function spoken(text: string): string[] {
  const splitter = new SentenceSplitter()
  return [...splitter.push(text), ...splitter.end()].flatMap((sentence) => sentence.text || [])
}

describe('sentences', () => {
  it.each<[string, string, string[]]>([
    ['Chinese', '你好！我是小渡。今天天气怎么样？', ['你好！', '我是小渡。', '今天天气怎么样？']],
    [
      'closing quotes and runs of marks',
      '好。“走吧。”他说。真的吗？！太好了！！！',
      ['好。', '“走吧。”', '他说。', '真的吗？！', '太好了！！！'],
    ],
    ['an ellipsis that ends and one that hesitates', '嗯。我想……，算了……走吧', ['嗯。', '我想……，算了……', '走吧']],
    ['semicolons', '好。一是快；二是省。', ['好。', '一是快；', '二是省。']],
    ['English', 'Hello there! How are you? I am fine.', ['Hello there!', 'How are you?', 'I am fine.']],
    ['mixed', '我用Node.js写。It works. 很好！', ['我用Node.js写。', 'It works.', '很好！']],
    ['ASCII marks between Chinese', '你好!我是小渡.请说?', ['你好!', '我是小渡.', '请说?']],
    ['other scripts', 'नमस्ते। आप कैसे हैं। مرحبا؟ نعم.', ['नमस्ते।', 'आप कैसे हैं।', 'مرحبا؟', 'نعم.']],
    [
      'numbers',
      'Pi is 3.14. 圆周率是3.14。共1,000元。12：30见。',
      ['Pi is 3.14.', '圆周率是3.14。', '共1,000元。', '12：30见。'],
    ],
    ['a number after an end', 'It ends here. 3 cats came.', ['It ends here.', '3 cats came.']],
    [
      'abbreviations',
      'Hi! Dr. Lee met J. K. Rowling in the U.S. Army, e.g. in Jan. Fine.',
      ['Hi!', 'Dr. Lee met J. K. Rowling in the U.S. Army, e.g. in Jan. Fine.'],
    ],
    ['“No.” as a word and before a number', 'No. I see No. 5 now.', ['No.', 'I see No. 5 now.']],
    ['the numbers of a list', '1. Open it.\n2. Close it.', ['1. Open it.', '2. Close it.']],
    [
      'addresses',
      'See https://www.example.com:8080/a?b=1. 见https://a.cn/路径。',
      ['See example.com.', '见a.cn/路径。'],
    ],
    ['Markdown', '# 标题\n- **重点**和`代码`，[文档](http://a.cn/x)\n> 引用', ['标题', '重点和代码，文档', '引用']],
    ['no marks in the middle of words', 'snake_case is 3 * 4, not *that*.', ['snake_case is 3 * 4, not that.']],
    ['code', '看：\n```js\nlet a = 1。\n```\n好。', ['看：', '好。']],
    ['code that is not closed', '看：\n~~~\nlet a = 1。', ['看：']],
    ['three backticks within a line', '```x``` 是代码。好。', ['x 是代码。', '好。']],
    ['a table', '|名称|价格|\n|---|---|\n| 甲 | 1 |', ['名称|价格', '甲, 1']],
    ['emoji', '你好😀👍🏽。🇨🇳🎉', ['你好。']],
    ['nothing to say', '……！\n***\n😀', []],
  ])('%s', (_, text, expected) => {
    expect(spoken(text)).toEqual(expected)
  })

  it('lets the first one go at its first comma, later ones at a comma when they are long', () => {
    expect(spoken('今天天气很好，我们出去走走，好吗？')).toEqual(['今天天气很好，', '我们出去走走，好吗？'])
    const long = `好的。${'很长的句子'.repeat(7)}，还没有完，真的。`
    expect(spoken(long)).toEqual(['好的。', `${'很长的句子'.repeat(7)}，`, '还没有完，真的。'])
  })

  it('cuts what never ends between words, not within an address', () => {
    const words = spoken('word '.repeat(200))
    expect(words.length).toBeGreaterThan(1)
    for (const piece of words) expect(piece).toMatch(/^(word ?)+$/)
    const address = `https://example.com/${'a'.repeat(60)}`
    expect(spoken(`${'字 '.repeat(90)} ${address} 好`).join(' ')).toContain('example.com 好')
  })

  it('takes other lengths', () => {
    const splitter = new SentenceSplitter({ firstLength: 100, maxLength: 1_000 })
    expect(splitter.push('今天天气很好，我们出去走走，好吗？').map(({ raw }) => raw)).toEqual([
      '今天天气很好，我们出去走走，好吗？',
    ])
  })

  it.each(Object.entries(CORPUS))('of %s', (_, text) => {
    expect(spoken(text)).toMatchSnapshot()
  })
})

describe('earliness', () => {
  /** What has been said after each character. */
  function saidAfter(text: string): string[] {
    const splitter = new SentenceSplitter()
    let said = ''
    return [...text].map((char) => {
      said += splitter
        .push(char)
        .map((sentence) => sentence.text)
        .join('')
      return said
    })
  }

  it('the first sentence comes with its last character', () => {
    expect(saidAfter('你好！')).toEqual(['', '', '你好！'])
    expect(saidAfter('今天天气很好，')[6]).toBe('今天天气很好，')
  })

  it('a later one comes with the character after it, when that shows that no quote closes', () => {
    const said = saidAfter('好。走吧。他')
    expect(said.slice(-2)).toEqual(['好。', '好。走吧。'])
  })
})
