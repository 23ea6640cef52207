import { describe, expect, test } from 'vitest'
import { parseRedisAddress } from '../../src/store/redis-address.ts'

describe('REDIS_URL', () => {
  test.each([
    [
      'redis://cache.internal',
      { kind: 'single', nodes: [{ host: 'cache.internal', port: 6379 }], database: 0, tls: false },
    ],
    ['rediss://:p%40ss@h:6380/3', { kind: 'single', password: 'p@ss', username: undefined, database: 3, tls: true }],
    ['redis://user:secret@[::1]:7000', { nodes: [{ host: '::1', port: 7000 }], username: 'user', password: 'secret' }],
    [
      'redis+sentinel://a,b:26380/mymaster/2',
      {
        kind: 'sentinel',
        nodes: [
          { host: 'a', port: 26379 },
          { host: 'b', port: 26380 },
        ],
        master: 'mymaster',
        database: 2,
      },
    ],
    [
      'rediss+cluster://a:1,b:2',
      {
        kind: 'cluster',
        nodes: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2 },
        ],
        tls: true,
      },
    ],
  ])('reads %s', (text, expected) => {
    expect(parseRedisAddress(text)).toMatchObject(expected)
  })

  test.each([
    ['http://a', 'must be redis://host'],
    ['redis://a,b', 'several hosts'],
    ['redis+sentinel://a:26379', 'the master’s name'],
    ['redis+cluster://a/1', 'has only one'],
    ['redis://a:99999', 'not host:port'],
    ['redis://a/x', 'database number'],
    ['redis://u:%zz@a', 'percent-encoded'],
  ])('refuses %s', (text, message) => {
    expect(() => parseRedisAddress(text)).toThrow(message)
  })
})
