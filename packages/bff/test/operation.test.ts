import { describe, expect, it } from 'vitest'
import { eventually } from '../../../test/testkit/eventually.ts'
import { afterBody, chunk, delay, head, lastChunk, reset } from '../../../test/testkit/scripted-vendor.ts'
import { accessLine } from './native/support.ts'
import { BFF_KEY, errorOf, json, startTestBff, streamHead, type TestBff } from './support.ts'

const headers = { authorization: `Bearer ${BFF_KEY}`, 'content-type': 'application/json' }

const post = ({ origin }: TestBff, path: string, body: unknown): Promise<Response> =>
  fetch(`${origin}/v1/${path}`, { method: 'POST', headers, body: JSON.stringify(body) })

const usage = { input_tokens: 7, output_tokens: 5, total_tokens: 12 }

/** Operation, a request without its model, and its answer. */
const OPERATIONS = [
  ['responses', { input: 'hi', store: false }, { id: 'resp_1', output: [], usage }],
  ['images/generations', { prompt: 'a ferry' }, { data: [{ b64_json: 'aGk=' }], usage }],
] as const

describe.each(OPERATIONS)('/v1/%s', (path, request, answer) => {
  it.each([
    ['m', 'openai', '{"model":"gpt-m"', 'gpt-m'],
    ['with its vendor', 'second', '{"model":"second/gpt-m"', 'gpt-m'],
  ])('passes a model %s to its vendor, and is metered', async (_, vendor, start, model) => {
    const bff = await startTestBff(afterBody(() => json(200, answer)))
    const body = `${start},${JSON.stringify(request).slice(1)}`
    const response = await fetch(`${bff.origin}/v1/${path}`, { method: 'POST', headers, body })
    expect(await response.json()).toEqual(answer)
    expect(response.headers.get('x-ferry-vendor')).toBe(vendor)
    const seen = bff.vendor.only
    expect(seen.target).toBe(`/v1/${path}`)
    expect(JSON.parse(seen.body.toString())).toEqual({ model, ...request })
    if (vendor === 'openai') expect(seen.body.toString()).toBe(body)
    await eventually('the access line', () => accessLine(bff) !== undefined)
    expect(accessLine(bff)).toMatchObject({ vendor, model, promptTokens: 7, completionTokens: 5 })
  })

  it('is refused by name for a vendor that has none', async () => {
    const bff = await startTestBff(afterBody(() => json(200, answer)))
    const response = await post(bff, path, { ...request, model: 'anthropic/claude-x' })
    expect(response.status).toBe(400)
    expect(await errorOf(response)).toMatchObject({ code: 'unsupported_parameter' })
    expect(bff.vendor.requests).toHaveLength(0)
  })

  it('is limited', async () => {
    const bff = await startTestBff(
      afterBody(() => json(200, answer)),
      { RATE_LIMIT_RPM: '1' },
    )
    await post(bff, path, { ...request, model: 'gpt-m' })
    const refused = await post(bff, path, { ...request, model: 'gpt-m' })
    expect(await errorOf(refused)).toMatchObject({ code: 'rate_limit_exceeded' })
  })
})

describe('/v1/responses', () => {
  it('that would be kept in the shared account are refused', async () => {
    const bff = await startTestBff(afterBody(() => json(200, {})))
    const response = await post(bff, 'responses', { model: 'gpt-m', input: 'hi' })
    expect(response.status).toBe(403)
    expect(await errorOf(response)).toMatchObject({ code: 'operation_not_allowed' })
  })

  it('that break off end with an event that says so', async () => {
    const event = 'event: response.created\ndata: {"type":"response.created","sequence_number":0}\n\n'
    const bff = await startTestBff(afterBody(() => [streamHead(), chunk(event), delay(20), reset()]))
    const response = await post(bff, 'responses', { model: 'gpt-m', input: 'hi', store: false, stream: true })
    const reader = response.body?.getReader()
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe(event)
    const rest = await reader?.read().catch(() => undefined)
    if (rest?.value) expect(Buffer.from(rest.value).toString()).toContain('upstream_truncated')
    await expect(reader?.read()).rejects.toThrow()
  })
})

describe('/v1/audio', () => {
  it('speaks', async () => {
    const sound = Buffer.from([0, 255, 1, 254])
    const audio = head(200, [
      ['content-type', 'audio/mpeg'],
      ['transfer-encoding', 'chunked'],
    ])
    const bff = await startTestBff(afterBody(() => [audio, chunk(sound), lastChunk()]))
    const response = await post(bff, 'audio/speech', { model: 'openai/tts-1', input: 'hi', voice: 'alloy' })
    expect(Buffer.from(await response.arrayBuffer()).equals(sound)).toBe(true)
    expect(JSON.parse(bff.vendor.only.body.toString())).toMatchObject({ model: 'tts-1' })
  })

  it.each(['whisper-1', 'openai/whisper-1'])('listens with %s', async (model) => {
    const bff = await startTestBff(afterBody(() => json(200, { text: 'hello' })))
    const form = new FormData()
    form.append('model', model)
    form.append('file', new Blob([Buffer.alloc(200_000, 7)]), 'a.mp3')
    const { authorization } = headers
    const url = `${bff.origin}/v1/audio/transcriptions`
    const response = await fetch(url, { method: 'POST', headers: { authorization }, body: form })
    expect(await response.json()).toEqual({ text: 'hello' })
    const seen = bff.vendor.only
    expect(seen.target).toBe('/v1/audio/transcriptions')
    expect(seen.text).toContain('name="model"\r\n\r\nwhisper-1\r\n')
    expect(seen.body.includes(Buffer.alloc(200_000, 7))).toBe(true)
    expect(response.headers.get('x-ferry-model')).toBe('whisper-1')
  })
})
