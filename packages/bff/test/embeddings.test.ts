import { describe, expect, it } from 'vitest'
import { eventually } from '../../../test/testkit/eventually.ts'
import { afterBody, hang, reset } from '../../../test/testkit/scripted-vendor.ts'
import { accessLine } from './native/support.ts'
import { BFF_KEY, errorOf, json, plainAnswer, startTestBff, type TestBff } from './support.ts'

const post = ({ origin }: TestBff, body: unknown, signal?: AbortSignal): Promise<Response> =>
  fetch(`${origin}/v1/embeddings`, {
    method: 'POST',
    headers: { authorization: `Bearer ${BFF_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  })

const openAiAnswer = {
  object: 'list',
  model: 'e',
  data: [{ object: 'embedding', index: 0, embedding: [0.5, -0.25] }],
  usage: { prompt_tokens: 7, total_tokens: 7 },
}
const geminiAnswer = { embeddings: [{ values: [0.5, -0.25] }], usageMetadata: { promptTokenCount: 7 } }

describe('embeddings', () => {
  it.each([
    ['openai', openAiAnswer, '/v1/embeddings'],
    ['gemini', geminiAnswer, '/v1beta/models/e:batchEmbedContents'],
  ])('of %s come in OpenAI’s form and are metered', async (vendor, answer, target) => {
    const bff = await startTestBff(afterBody(() => json(200, answer)))
    const response = await post(bff, { model: `${vendor}/e`, input: 'hi' })
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual(openAiAnswer)
    expect(response.headers.get('x-ferry-vendor')).toBe(vendor)
    expect(bff.vendor.only.target).toBe(target)
    await eventually('the access line', () => accessLine(bff) !== undefined)
    expect(accessLine(bff)).toMatchObject({ vendor, model: 'e', promptTokens: 7, completionTokens: 0 })
  })

  it('of Gemini are base64 where asked, as OpenAI’s client asks', async () => {
    const bff = await startTestBff(afterBody(() => json(200, geminiAnswer)))
    const response = await post(bff, { model: 'gemini/e', input: ['hi'], encoding_format: 'base64', dimensions: 2 })
    const { data } = (await response.json()) as { data: { embedding: string }[] }
    const bytes = Buffer.from(data[0]?.embedding ?? '', 'base64')
    expect([bytes.readFloatLE(0), bytes.readFloatLE(4)]).toEqual([0.5, -0.25])
    expect(JSON.parse(bff.vendor.only.body.toString())).toMatchObject({ requests: [{ outputDimensionality: 2 }] })
  })

  it('are refused by name for a vendor that makes none', async () => {
    const bff = await startTestBff(afterBody(() => json(200, {})))
    const response = await post(bff, { model: 'anthropic/claude-x', input: 'hi' })
    expect(response.status).toBe(400)
    expect(await errorOf(response)).toMatchObject({ code: 'unsupported_parameter', param: 'model' })
    expect(bff.vendor.requests).toHaveLength(0)
  })

  it.each([
    [{ model: 'openai/e' }, 'input'],
    [{ input: 'hi' }, 'model'],
  ])('need what they are of: %j', async (body, param) => {
    const bff = await startTestBff(afterBody(() => json(200, {})))
    expect(await errorOf(await post(bff, body))).toMatchObject({ code: 'invalid_request', param })
  })

  it('are asked for again after the vendor’s own passing error', async () => {
    let calls = 0
    const bff = await startTestBff(
      afterBody(() => (++calls === 1 ? json(503, { error: { message: 'busy' } }) : json(200, openAiAnswer))),
    )
    const response = await post(bff, { model: 'openai/e', input: 'hi' })
    expect(response.headers.get('x-ferry-attempts')).toBe('2')
  })

  it('of an alias fall back to the next vendor that makes some', async () => {
    const bff = await startTestBff(
      afterBody(({ target }) =>
        target.includes('batch') ? json(503, { error: { message: 'x' } }) : json(200, openAiAnswer),
      ),
      {},
      'aliases:\n  vectors: [anthropic/claude-x, gemini/e, openai/e]\n',
    )
    const response = await post(bff, { model: 'vectors', input: 'hi' })
    expect(response.headers.get('x-ferry-vendor')).toBe('openai')
    expect(bff.vendor.requests).toHaveLength(2)
  })

  it('that are cut are an error, and nothing is repeated', async () => {
    const bff = await startTestBff(afterBody(() => [...plainAnswer().slice(0, 2), reset()]))
    expect(await errorOf(await post(bff, { model: 'openai/e', input: 'hi' }))).toMatchObject({
      code: 'upstream_truncated',
    })
    expect(bff.vendor.requests).toHaveLength(1)
  })

  it('end at the vendor when the caller leaves', async () => {
    const bff = await startTestBff(afterBody(() => [hang()]))
    const leave = new AbortController()
    const answer = post(bff, { model: 'openai/e', input: 'hi' }, leave.signal).catch(() => 'left')
    const request = await bff.vendor.received()
    leave.abort()
    expect(await answer).toBe('left')
    await request.closed
  })
})
