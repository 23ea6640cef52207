import { expect, test } from 'vitest'
import { toCsv } from '../../src/ledger/csv.ts'

test('quotes what must be quoted, and lets no user’s name be a formula', () => {
  const rows = [
    { user: 'a,b', n: -1 },
    { user: 'say "hi"\n', n: 0 },
    { user: '=HYPERLINK("http://x")', n: 2 },
    { user: undefined, n: 3 },
  ]
  expect(toCsv(['user', 'n'], rows)).toBe(
    'user,n\r\n"a,b",-1\r\n"say ""hi""\n",0\r\n"\'=HYPERLINK(""http://x"")",2\r\n,3\r\n',
  )
})
