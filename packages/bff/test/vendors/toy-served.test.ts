import { createLogger } from '@llm-ferry/kit'
import { expect, it, onTestFinished } from 'vitest'
import { afterBody, chunk, lastChunk, ScriptedVendor, type Step } from '../../../../test/testkit/scripted-vendor.ts'
import { startBff } from '../../src/bff.ts'
import { readConfig } from '../../src/config.ts'
import { BFF_KEY, errorOf, json, payloads, streamHead, textOf, VENDOR_KEY } from '../support.ts'
import { toy } from './support/toy.ts'

/** A BFF that serves the toy dialect of a vendor over sockets, with nothing else changed. */
async function start(steps: () => readonly Step[]) {
  const vendor = await ScriptedVendor.start({ script: afterBody(steps) })
  const env = { PORT: '0', HOST: '127.0.0.1', BFF_KEYS: `app:${BFF_KEY}`, MAX_RETRIES: '0' }
  const config = readConfig({ ...env, RELAY_URLS: 'http://127.0.0.1:1', RELAY_TOKEN: 'relay-token-0123456789' })
  const route = { kind: 'direct', origin: new URL(vendor.origin), apiKey: VENDOR_KEY } as const
  const file = { ...config.file, vendors: [{ name: 'toy', dialect: 'toy', route, version: undefined }] }
  const log = createLogger('bff', 'info', { write: () => {} })
  const bff = await startBff({ ...config, file }, log, { dialects: { toy } })
  onTestFinished(async () => {
    await vendor.stop()
    await bff.stop()
  })
  const chat = (model: string, stream: boolean): Promise<Response> =>
    fetch(`http://127.0.0.1:${bff.port}/v1/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({
        model,
        messages: [{ role: 'user', content: 'Hi' }],
        stream,
        stream_options: { include_usage: true },
      }),
      headers: { authorization: `Bearer ${BFF_KEY}`, 'content-type': 'application/json' },
    })
  return { chat, vendor }
}

it('a new dialect is served whole, by vendor/model and by the name that it claims', async () => {
  const { chat, vendor } = await start(() => json(200, { say: 'grüß Gott' }))
  for (const model of ['toy/toy-1', 'toy-1']) {
    const response = await chat(model, false)
    expect(response.headers.get('x-ferry-vendor')).toBe('toy')
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'grüß Gott' } }] })
  }
  expect(vendor.requests.map(({ target }) => target)).toEqual(['/talk', '/talk'])
})

it('a new dialect is served as a stream, with its usage', async () => {
  const { chat } = await start(() => [
    streamHead(),
    chunk('data: say grüß Gott\n\n'),
    chunk('data: end\n\n'),
    lastChunk(),
  ])
  const text = await (await chat('toy/toy-1', true)).text()
  expect(textOf(text.replace(/data: \{[^\n]*"choices":\[\][^\n]*\n\n/, ''))).toBe('grüß Gott')
  expect(text).toContain('"prompt_tokens":57')
  expect(payloads(text).at(-1)).toBe('[DONE]')
})

it.each([
  ['that is cut', () => [streamHead(), chunk('data: say a\n\n'), lastChunk()], 'upstream_truncated'],
  [
    'with an error in it',
    () => [streamHead(), chunk('data: say a\n\ndata: fail\n\n'), lastChunk()],
    'vendor_rate_limited',
  ],
])('a new dialect’s stream %s ends with an error event', async (_, steps, code) => {
  const { chat } = await start(steps)
  const events = payloads(await (await chat('toy/toy-1', true)).text())
  expect(events).not.toContain('[DONE]')
  expect(JSON.parse(events.at(-1) ?? '')).toMatchObject({ error: { code } })
})

it('a new dialect’s error is its own, and its key fault is not the caller’s', async () => {
  const limited = await start(() => json(429, 'slow'))
  expect(await errorOf(await limited.chat('toy/toy-1', false))).toMatchObject({ code: 'vendor_rate_limited' })
  const keyless = await start(() => json(401, 'key'))
  expect((await keyless.chat('toy/toy-1', false)).status).toBe(502)
})
