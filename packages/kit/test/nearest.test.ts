import { expect, it } from 'vitest'
import { nearest } from '../src/nearest.ts'

it('finds what was probably meant, and nothing for what is far from all', () => {
  const known = ['origin', 'dialect', 'apiKey', 'version']
  const found = ['orgin', 'orgiin', 'oirgin', 'apikey', 'Dialect'].map((name) => nearest(name, known))
  expect(found).toEqual(['origin', 'origin', 'origin', 'apiKey', 'dialect'])
  expect(['key', 'x', 'colour'].map((name) => nearest(name, known))).toEqual([undefined, undefined, undefined])
})
