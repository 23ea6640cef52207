import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'

const FILE = new URL('../src/buffered-stdout.ts', import.meta.url).href

// Around the buffer's size, in characters of one, two and three bytes, with lines that are longer than all of it.
const SCRIPT = `
  import { bufferedStdout } from ${JSON.stringify(FILE)}
  const out = bufferedStdout()
  for (let at = 0; at < 3000; at++) out.write(at + 'aé中'.repeat(at % 97) + '\\n')
  for (const length of [10_000, 21_845, 21_846, 70_000]) out.write('中'.repeat(length) + '\\n')
  setTimeout(() => out.write('later\\n'), 50)
  setTimeout(() => out.write('last\\n'), 100)
`

test('every line arrives whole and in order, the last ones with the process’s end', () => {
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', SCRIPT]
  const output = execFileSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 10_000_000 })
  const short = Array.from({ length: 3000 }, (_, at) => `${at}${'aé中'.repeat(at % 97)}`)
  const long = [10_000, 21_845, 21_846, 70_000].map((length) => '中'.repeat(length))
  expect(output.split('\n')).toEqual([...short, ...long, 'later', 'last', ''])
})
