import { describe, expect, it } from 'vitest'
import { BFF_KEY, json, startTestBff, type TestBff } from '../support.ts'

const PAGE = 'https://app.example.cn'
const ANSWER = {
  id: '1',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hi' }, finish_reason: 'stop' }],
}

const start = (origins = `${PAGE}, http://127.0.0.1:5173/`): Promise<TestBff> =>
  startTestBff(() => json(200, ANSWER), origins === '' ? {} : { CORS_ORIGINS: origins })

const preflight = ({ origin }: TestBff, page: string): Promise<Response> =>
  fetch(`${origin}/v1/chat/completions`, {
    method: 'OPTIONS',
    headers: {
      origin: page,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,content-type,idempotency-key',
    },
  })

describe('CORS_ORIGINS', () => {
  it.each([PAGE, 'http://127.0.0.1:5173'])('lets %s ask, without a key', async (page) => {
    const response = await preflight(await start(), page)
    expect(response.status).toBe(204)
    expect(response.headers.get('access-control-allow-origin')).toBe(page)
    expect(response.headers.get('access-control-allow-headers')).toBe('authorization,content-type,idempotency-key')
    expect(response.headers.get('access-control-allow-methods')).toContain('POST')
    expect(response.headers.get('vary')).toMatch(/origin/i)
  })

  it.each(['https://evil.example', 'null', 'https://app.example.cn.evil.example', 'http://app.example.cn'])(
    'says nothing to %s',
    async (page) => {
      const bff = await start()
      for (const response of [await preflight(bff, page), await bff.chat({}, { headers: { origin: page } })]) {
        const names = [...response.headers.keys()].filter((name) => name.startsWith('access-control-'))
        expect(names).toEqual([])
      }
    },
  )

  it('is for nobody where it is not set', async () => {
    const response = await preflight(await start(''), PAGE)
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
    expect(response.status).not.toBe(204)
  })

  it('lets a page read limits, ids and errors', async () => {
    const bff = await start()
    for (const headers of [{ origin: PAGE }, { origin: PAGE, authorization: 'Bearer nobody' }]) {
      const response = await bff.chat({}, { headers })
      expect(response.headers.get('access-control-allow-origin')).toBe(PAGE)
      const readable = response.headers.get('access-control-expose-headers')?.toLowerCase().split(',') ?? []
      const sent = [...response.headers.keys()].filter((name) => /^(x-ferry-|x-ratelimit-|x-request-id)/.test(name))
      expect(sent.length).toBeGreaterThan(1)
      expect(readable).toEqual(expect.arrayContaining([...sent, 'retry-after']))
    }
  })

  it('allows no cookies: a key is the only way in', async () => {
    const bff = await start()
    const response = await bff.chat({}, { headers: { origin: PAGE, authorization: `Bearer ${BFF_KEY}` } })
    expect(response.headers.get('access-control-allow-credentials')).toBeNull()
  })
})
