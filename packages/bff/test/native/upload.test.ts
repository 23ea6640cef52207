import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { eventually } from '../../../../test/testkit/eventually.ts'
import { afterBody, hang, type Step } from '../../../../test/testkit/scripted-vendor.ts'
import { formFields } from '../../src/native/upload.ts'
import { BFF_KEY, json, startTestBff, type TestBff } from '../support.ts'
import { accessLine } from './support.ts'

const heard = (): Step[] => json(200, { text: 'hello', usage: { type: 'tokens', input_tokens: 7, output_tokens: 5 } })

const authorization = `Bearer ${BFF_KEY}`

function form(file: Blob, model = 'whisper-1'): FormData {
  const data = new FormData()
  data.append('model', model)
  data.append('file', file, 'speech "1".mp3')
  return data
}

const transcribe = ({ origin }: TestBff, body: FormData, vendor = 'openai'): Promise<Response> =>
  fetch(`${origin}/proxy/${vendor}/v1/audio/transcriptions`, { method: 'POST', headers: { authorization }, body })

describe('a form', () => {
  it('streams to the vendor as it is, and is metered under its model', async () => {
    const bff = await startTestBff(afterBody(heard))
    const bytes = Buffer.alloc(3_000_000, 7)
    const response = await transcribe(bff, form(new Blob([bytes])))
    expect(await response.json()).toMatchObject({ text: 'hello' })
    const seen = bff.vendor.only
    expect(seen.header('content-type')).toMatch(/^multipart\/form-data; boundary=/)
    expect(seen.body.includes(bytes)).toBe(true)
    expect(Number(seen.header('content-length'))).toBe(seen.bodyBytes)
    await eventually('the access line', () => accessLine(bff) !== undefined)
    expect(accessLine(bff)).toMatchObject({ model: 'whisper-1', promptTokens: 7, completionTokens: 5 })
  })

  it('larger than MAX_UPLOAD_BYTES is refused before a byte is sent on', async () => {
    const bff = await startTestBff(afterBody(heard), { MAX_UPLOAD_BYTES: '1000000' })
    const response = await transcribe(bff, form(new Blob([Buffer.alloc(1_000_001)])))
    expect(response.status).toBe(413)
    expect(response.headers.get('x-ferry-error')).toBe('request_too_large')
    expect(bff.vendor.requests).toHaveLength(0)
  })

  it('that grows past MAX_UPLOAD_BYTES ends at the vendor', async () => {
    const bff = await startTestBff(() => [hang()], { MAX_UPLOAD_BYTES: '1000000' })
    const sent = request(`${bff.origin}/proxy/openai/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'multipart/form-data; boundary=x', 'transfer-encoding': 'chunked' },
    })
    sent.on('error', () => {})
    const status = new Promise<number>((resolve) => sent.on('response', (answer) => resolve(answer.statusCode ?? 0)))
    for (let i = 0; i < 12; i++) sent.write(Buffer.alloc(100_000))
    expect(await status).toBe(413)
    const seen = await bff.vendor.received()
    await seen.closed
    expect(seen.isComplete).toBe(false)
  })

  it('whose caller leaves while sending ends at the vendor', async () => {
    const bff = await startTestBff(() => [hang()])
    const sent = request(`${bff.origin}/proxy/openai/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'multipart/form-data; boundary=x', 'content-length': '1000000' },
    })
    sent.on('error', () => {})
    sent.write(Buffer.alloc(200_000))
    const seen = await bff.vendor.received()
    await sleep(50)
    const leftAt = performance.now()
    sent.destroy()
    expect((await seen.closed).at - leftAt).toBeLessThan(1000)
    await eventually('the access line', () => accessLine(bff)?.error === 'client_closed')
  })

  it('is sent once, whatever the vendor says', async () => {
    const bff = await startTestBff(afterBody(() => json(503, { error: { message: 'busy' } })))
    const response = await transcribe(bff, form(new Blob(['x'])))
    expect(response.status).toBe(503)
    expect(bff.vendor.requests).toHaveLength(1)
  })

  it('tells its short fields, and no file is taken for one', () => {
    const head =
      '--b\r\nContent-Disposition: form-data; name="file"; filename="model"\r\n\r\nBYTES\r\n' +
      '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ngpt-4o-transcribe\r\n--b\r\nContent-Disp'
    expect(formFields(head, 'multipart/form-data; boundary=b')).toEqual({ model: 'gpt-4o-transcribe' })
    expect(formFields(head, 'multipart/form-data; boundary="b"')).toEqual({ model: 'gpt-4o-transcribe' })
    expect(formFields(head, 'multipart/form-data')).toEqual({})
  })
})
