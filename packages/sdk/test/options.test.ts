import { describe, expect, it } from 'vitest'
import { createFerry } from '../src/index.ts'
import { completion, request } from './support/wire.ts'

async function calledAddress(baseURL: string | URL): Promise<string> {
  let address = ''
  const ferry = createFerry({
    baseURL,
    apiKey: 'key',
    fetch: async (url) => {
      address = url
      return Response.json(completion('hi'))
    },
  })
  await ferry.chat(request)
  return address
}

describe('baseURL', () => {
  it.each([
    ['https://llm.example.cn', 'https://llm.example.cn/v1/chat/completions'],
    ['https://llm.example.cn/', 'https://llm.example.cn/v1/chat/completions'],
    ['https://llm.example.cn/v1', 'https://llm.example.cn/v1/chat/completions'],
    ['https://llm.example.cn/v1/', 'https://llm.example.cn/v1/chat/completions'],
    [' https://llm.example.cn/ai/v1// ', 'https://llm.example.cn/ai/v1/chat/completions'],
    ['http://localhost:8080?x=1#y', 'http://localhost:8080/v1/chat/completions'],
    [new URL('https://llm.example.cn/v1'), 'https://llm.example.cn/v1/chat/completions'],
  ])('%s', async (baseURL, expected) => {
    expect(await calledAddress(baseURL)).toBe(expected)
  })
})

describe('malformed options', () => {
  const good = { baseURL: 'https://llm.example.cn', apiKey: 'key' }
  it.each([
    [{ ...good, baseURL: 'llm.example.cn' }, 'baseURL'],
    [{ ...good, baseURL: '' }, 'baseURL'],
    [{ ...good, baseURL: undefined }, 'baseURL'],
    [{ ...good, apiKey: undefined }, 'apiKey'],
    [{ ...good, baseURL: 'ftp://llm.example.cn' }, 'baseURL'],
    [{ ...good, apiKey: '' }, 'apiKey'],
    [{ ...good, timeoutMs: 0 }, 'timeoutMs'],
    [{ ...good, timeoutMs: 2 ** 31 }, 'timeoutMs'],
    [{ ...good, idleTimeoutMs: Number.NaN }, 'idleTimeoutMs'],
    [{ ...good, maxRetries: 1.5 }, 'maxRetries'],
    [{ ...good, maxRetries: -1 }, 'maxRetries'],
  ])('%o is refused by name', (options, param) => {
    expect(() => createFerry(options)).toThrow(expect.objectContaining({ code: 'invalid_request', param }))
  })

  it('a call’s own options are checked too', async () => {
    const ferry = createFerry(good)
    await expect(ferry.chat(request, { maxRetries: -1 })).rejects.toMatchObject({ param: 'maxRetries' })
  })
})
