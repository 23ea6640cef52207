import { expect, test } from 'vitest'
import { Seals } from '../../src/keys/seals.ts'

const CONFIGURED = [{ name: 'app', secret: 'bff-key-of-app-0123456789' }]

test('with SESSION_SECRET a key’s seal outlives its rotation, and differs from every other key’s', () => {
  const seals = new Seals(CONFIGURED, 'session-secret-0123456789')
  seals.shown('key_1', 'sk-ferry-old')
  const seal = seals.of('key_1')
  seals.forget('key_1')
  seals.shown('key_1', 'sk-ferry-new')
  expect(seals.of('key_1')).toBe(seal)
  expect(seals.of('key_2')).not.toBe(seal)
  expect(seals.of('app')).toBe(CONFIGURED[0]?.secret)
})

test('without it a seal is made from what the key shows, and another secret makes another', () => {
  const seals = new Seals(CONFIGURED)
  expect(seals.of('key_1')).toBeUndefined()
  seals.shown('key_1', 'sk-ferry-old')
  const seal = seals.of('key_1')
  expect(seal).not.toContain('sk-ferry-old')
  seals.forget('key_1')
  seals.shown('key_1', 'sk-ferry-new')
  expect(seals.of('key_1')).not.toBe(seal)
})
