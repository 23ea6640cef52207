import { describe, expect, it } from 'vitest'
import { proxyTarget, upstreamPath } from '../src/target.ts'

describe('proxyTarget', () => {
  it('splits vendor, path and query, and leaves the query as it is', () => {
    expect(proxyTarget('/proxy/openai/v1/models?a=1&a=2&b[]=%20&c')).toEqual({
      vendor: 'openai',
      path: 'v1/models',
      query: 'a=1&a=2&b[]=%20&c',
    })
    expect(proxyTarget('/proxy/gemini')).toEqual({ vendor: 'gemini', path: '', query: undefined })
    expect(proxyTarget('/proxy/gemini/x?')).toEqual({ vendor: 'gemini', path: 'x', query: '' })
  })

  it('leaves other routes to others', () => {
    for (const target of ['/', '/health', '/proxy', '/prox/openai/v1', '/exchanges/a.b']) {
      expect(proxyTarget(target)).toBeUndefined()
    }
  })

  it('keeps encoded characters that vendors have in their paths', () => {
    for (const path of [
      'models/org%2Fmodel',
      'models/a%3Ab',
      'files/%E4%BD%A0',
      'models/m:generateContent',
      'a..b/c.',
    ]) {
      expect(proxyTarget(`/proxy/openai/${path}`)?.path).toBe(path)
    }
  })

  it('takes doubled slashes for one', () => {
    expect(proxyTarget('//proxy//gemini//ws//x')).toEqual({ vendor: 'gemini', path: 'ws/x', query: undefined })
  })

  it.each([
    'http://evil.example/proxy/openai/v1/x',
    'evil.example:443',
    '*',
    '/proxy/openai/../x',
    '/proxy/openai/v1/..',
    '/proxy/openai/./x',
    '/proxy/openai/%2e%2e/x',
    '/proxy/openai/%2E./x',
    '/proxy/openai/..%2fx',
    '/proxy/openai/x%2f..%2fy',
    '/proxy/openai/%252e%252e/x',
    '/proxy/openai/%25252e%25252e/x',
    '/proxy/openai/..;a=b/x',
    '/proxy/openai/%c0%ae%c0%ae/x',
    '/proxy/openai/..\\x',
    '/proxy/openai/a%5cb',
    '/proxy/openai/a%0d%0ab',
    '/proxy/openai/a%00b',
    '/proxy/openai/a\r\nb',
    '/proxy/openai/a b',
    '/proxy/openai/a#b',
    '/proxy/openai/a?b#c',
  ])('refuses %j', (target) => {
    expect(() => proxyTarget(target)).toThrow(expect.objectContaining({ code: 'invalid_request' }))
  })
})

describe('upstreamPath', () => {
  it.each([
    ['chat/completions', '/v1/chat/completions', 'chat/completions'],
    ['v1/chat/completions', '/v1/chat/completions', 'chat/completions'],
    ['v1beta/models', '/v1beta/models', 'models'],
    ['v1alpha/models', '/v1alpha/models', 'models'],
    ['upload/v1beta/files', '/upload/v1beta/files', 'upload/v1beta/files'],
    ['download/v1beta/files/x', '/download/v1beta/files/x', 'download/v1beta/files/x'],
    ['ws/google.x', '/ws/google.x', 'ws/google.x'],
    ['videos', '/v1/videos', 'videos'],
    ['vector_stores', '/v1/vector_stores', 'vector_stores'],
    ['uploads', '/v1/uploads', 'uploads'],
    // The base URL ends in /v1 and the SDK adds it once more.
    ['v1/v1/messages', '/v1/messages', 'messages'],
  ])('%s → %s', (path, upstream, operation) => {
    expect(upstreamPath(path, '', 'v1')).toEqual({ path: upstream, operation })
  })

  it('puts the prefix first and no version where there is none', () => {
    expect(upstreamPath('chat/completions', '/openai', '').path).toBe('/openai/chat/completions')
    expect(upstreamPath('v1/x', '/a/b', 'v1').path).toBe('/a/b/v1/x')
  })
})
