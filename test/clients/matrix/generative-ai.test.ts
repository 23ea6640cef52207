import { GoogleGenerativeAI, type RequestOptions } from '@google/generative-ai'
import { GoogleAICacheManager, GoogleAIFileManager } from '@google/generative-ai/server'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { ScriptedVendor } from '../../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, relayEnv, type Service, startRelay, VENDOR_KEYS } from '../../testkit/services.ts'
import { CALL_HEADER, observe, plain, unordered } from './compare.ts'
import { startGenericVendor } from './generic-vendor.ts'

const text = 'Grüße 你好 \u{1F6A2}'

const model = (key: string, options: RequestOptions) =>
  new GoogleGenerativeAI(key).getGenerativeModel({ model: 'gemini-x' }, options)

type Case = (key: string, options: RequestOptions) => unknown

const CASES: Readonly<Record<string, Case>> = {
  generateContent: (key, options) => model(key, options).generateContent(text),
  generateContentStream: async (key, options) => (await model(key, options).generateContentStream(text)).stream,
  countTokens: (key, options) => model(key, options).countTokens(text),
  embedContent: (key, options) => model(key, options).embedContent(text),
  batchEmbedContents: (key, options) =>
    model(key, options).batchEmbedContents({ requests: [{ content: { role: 'user', parts: [{ text }] } }] }),
  'startChat sendMessage': (key, options) => model(key, options).startChat().sendMessage(text),
  'startChat sendMessageStream': async (key, options) =>
    (await model(key, options).startChat().sendMessageStream(text)).stream,
  'files.uploadFile': (key, options) =>
    new GoogleAIFileManager(key, options).uploadFile(Buffer.from([0, 13, 10, 255]), { mimeType: 'image/png' }),
  'files.listFiles': (key, options) =>
    new GoogleAIFileManager(key, options).listFiles({ pageSize: 1, pageToken: 'a+/=' }),
  'files.getFile': (key, options) => new GoogleAIFileManager(key, options).getFile('files/abc'),
  'files.deleteFile': (key, options) => new GoogleAIFileManager(key, options).deleteFile('abc'),
  'caches.create': (key, options) =>
    new GoogleAICacheManager(key, options).create({ model: 'models/gemini-x', contents: [], ttlSeconds: 60 }),
  'caches.list': (key, options) => new GoogleAICacheManager(key, options).list({ pageSize: 1 }),
  'caches.get': (key, options) => new GoogleAICacheManager(key, options).get('cachedContents/1'),
  'caches.update': (key, options) =>
    new GoogleAICacheManager(key, options).update('1', { cachedContent: { ttlSeconds: 9 } }),
  'caches.delete': (key, options) => new GoogleAICacheManager(key, options).delete('1'),
}

describe('every method of @google/generative-ai', () => {
  let vendor: ScriptedVendor
  let relay: Service
  let runs = 0

  beforeAll(async () => {
    // This SDK makes multipart boundaries of random length; a fixed one lets content-length be compared.
    vi.spyOn(Math, 'random').mockReturnValue(0.123456789)
    vendor = await startGenericVendor('gemini')
    relay = await startRelay(relayEnv(vendor.origin))
  })
  afterAll(async () => {
    vi.restoreAllMocks()
    await relay?.stop()
    await vendor?.stop()
  })

  const run = (baseUrl: string, key: string, call: Case) => {
    const tag = `call-${++runs}`
    const options = { baseUrl, customHeaders: { [CALL_HEADER]: tag } }
    return observe(vendor, tag, async () => plain(await call(key, options)))
  }

  for (const [name, call] of Object.entries(CASES)) {
    it(name, async () => {
      const expected = await run(vendor.origin, VENDOR_KEYS.gemini, call)
      expect(expected.requests.length, JSON.stringify(expected.result)).toBe(1)
      expect(unordered(await run(`${relay.origin}/proxy/gemini`, RELAY_TOKEN, call))).toEqual(unordered(expected))
    })
  }
})
