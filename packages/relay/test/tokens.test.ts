import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { Tokens } from '../src/tokens.ts'

const TOKEN = 'token-0123456789abcdef'

describe('Tokens', () => {
  it('finds exactly the tokens that it has', () => {
    const tokens = new Tokens([{ name: 'a', token: TOKEN }])
    expect(tokens.find(TOKEN)?.name).toBe('a')
    expect(tokens.find(TOKEN)?.name, 'again').toBe('a')
    for (const wrong of ['', TOKEN.slice(1), `${TOKEN}0`, TOKEN.toUpperCase(), 'a']) {
      expect(tokens.find(wrong)).toBeUndefined()
    }
  })

  it('finds a token of which it has only the hash', () => {
    const tokens = new Tokens([{ name: 'a', sha256: hash('sha256', TOKEN) }])
    expect(tokens.find(TOKEN)?.name).toBe('a')
    expect(tokens.find(hash('sha256', TOKEN))).toBeUndefined()
  })

  it('refuses other vendors and expired tokens', () => {
    const token = new Tokens([{ name: 'a', token: TOKEN, vendors: ['openai'], expiresAt: 1000 }]).find(TOKEN)
    expect(() => token?.authorize('openai', 999)).not.toThrow()
    expect(() => token?.authorize('gemini', 999)).toThrow(expect.objectContaining({ code: 'permission_denied' }))
    expect(() => token?.authorize('openai', 1000)).toThrow(expect.objectContaining({ code: 'authentication_failed' }))
  })

  it('limits the rate, and says how long to wait', () => {
    const token = new Tokens([{ name: 'a', token: TOKEN, requestsPerMinute: 2 }]).find(TOKEN)
    token?.authorize('openai', 0)
    token?.authorize('openai', 0)
    expect(() => token?.authorize('openai', 0)).toThrow(
      expect.objectContaining({ code: 'rate_limit_exceeded', retryAfterMs: 30_000 }),
    )
    expect(() => token?.authorize('openai', 30_000)).not.toThrow()
    expect(() => token?.authorize('openai', 30_000)).toThrow()
  })

  it('takes over other tokens at once, and keeps what is left of a limit', () => {
    const tokens = new Tokens([{ name: 'a', token: TOKEN, requestsPerMinute: 1 }])
    tokens.find(TOKEN)?.authorize('openai', 0)
    const next = 'token-next-0123456789'
    tokens.replace([{ name: 'a', token: next, requestsPerMinute: 1 }])
    expect(tokens.find(TOKEN)).toBeUndefined()
    expect(() => tokens.find(next)?.authorize('openai', 0)).toThrow()
  })
})
