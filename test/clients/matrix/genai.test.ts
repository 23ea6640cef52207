import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GenerateVideosOperation, GoogleGenAI } from '@google/genai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ScriptedVendor } from '../../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, relayEnv, type Service, startRelay, VENDOR_KEYS } from '../../testkit/services.ts'
import { CALL_HEADER, observe, plain, unordered } from './compare.ts'
import { startGenericVendor } from './generic-vendor.ts'
import { inheritedNames } from './methods.ts'

const folder = mkdtempSync(join(tmpdir(), 'ferry-genai-'))
const contents = 'Grüße 你好 \u{1F6A2}'
const blob = (size = 5): Blob => new Blob([Buffer.alloc(size, 'ü')], { type: 'text/plain' })

const videos = () => Object.assign(new GenerateVideosOperation(), { name: 'models/veo/operations/1' })

type Case = (ai: GoogleGenAI) => unknown

/** Every method that speaks to the Developer API, by its path in the client. */
const CASES: Readonly<Record<string, Case>> = {
  'models.generateContent': (ai) => ai.models.generateContent({ model: 'gemini-x', contents }),
  'models.generateContentStream': (ai) => ai.models.generateContentStream({ model: 'gemini-x', contents }),
  'models.embedContent': (ai) => ai.models.embedContent({ model: 'gemini-x', contents: [contents] }),
  'models.countTokens': (ai) => ai.models.countTokens({ model: 'tunedModels/a b', contents }),
  'models.get': (ai) => ai.models.get({ model: 'gemini-x' }),
  'models.list': (ai) => ai.models.list({ config: { pageSize: 2, pageToken: 'a+/=' } }),
  'models.update': (ai) => ai.models.update({ model: 'tunedModels/x', config: { displayName: contents } }),
  'models.delete': (ai) => ai.models.delete({ model: 'tunedModels/x' }),
  'chats.create': (ai) => ai.chats.create({ model: 'gemini-x' }).sendMessage({ message: contents }),
  'chats.create streamed': (ai) => ai.chats.create({ model: 'gemini-x' }).sendMessageStream({ message: contents }),
  'batches.create': (ai) =>
    ai.batches.create({ model: 'gemini-x', src: [{ contents: [{ parts: [{ text: contents }] }] }] }),
  'batches.createEmbeddings': (ai) => ai.batches.createEmbeddings({ model: 'gemini-x', src: { fileName: 'files/1' } }),
  'batches.get': (ai) => ai.batches.get({ name: 'batches/1' }),
  'batches.cancel': (ai) => ai.batches.cancel({ name: 'batches/1' }),
  'batches.delete': (ai) => ai.batches.delete({ name: 'batches/1' }),
  'batches.list': (ai) => ai.batches.list(),
  'caches.create': (ai) => ai.caches.create({ model: 'gemini-x', config: { contents } }),
  'caches.get': (ai) => ai.caches.get({ name: 'cachedContents/1' }),
  'caches.update': (ai) => ai.caches.update({ name: 'cachedContents/1', config: { ttl: '60s' } }),
  'caches.delete': (ai) => ai.caches.delete({ name: 'cachedContents/1' }),
  'caches.list': (ai) => ai.caches.list(),
  'files.upload': (ai) => ai.files.upload({ file: blob(), config: { displayName: contents } }),
  'files.upload in chunks': (ai) => ai.files.upload({ file: blob(9 * 1024 * 1024) }),
  'files.download': async (ai) => {
    const downloadPath = join(folder, String(Math.random()))
    await ai.files.download({ file: 'files/abc', downloadPath })
    return readFileSync(downloadPath, 'latin1')
  },
  'files.get': (ai) => ai.files.get({ name: 'https://generativelanguage.googleapis.com/v1beta/files/abc' }),
  'files.delete': (ai) => ai.files.delete({ name: 'files/abc' }),
  'files.list': (ai) => ai.files.list({ config: { pageSize: 1 } }),
  'operations.get': (ai) => ai.operations.get({ operation: videos() }),
  'operations.getVideosOperation': (ai) => ai.operations.getVideosOperation({ operation: videos() }),
  'authTokens.create': (ai) => ai.authTokens.create({ config: { uses: 1 } }),
  'tunings.get': (ai) => ai.tunings.get({ name: 'tunedModels/1' }),
  'tunings.cancel': (ai) => ai.tunings.cancel({ name: 'tunedModels/1' }),
  'tunings.tune': (ai) =>
    ai.tunings.tune({ baseModel: 'gemini-x', trainingDataset: { examples: [{ textInput: 'a', output: 'b' }] } }),
  'fileSearchStores.create': (ai) => ai.fileSearchStores.create({ config: { displayName: contents } }),
  'fileSearchStores.get': (ai) => ai.fileSearchStores.get({ name: 'fileSearchStores/1' }),
  'fileSearchStores.delete': (ai) =>
    ai.fileSearchStores.delete({ name: 'fileSearchStores/1', config: { force: true } }),
  'fileSearchStores.list': (ai) => ai.fileSearchStores.list(),
  'fileSearchStores.importFile': (ai) =>
    ai.fileSearchStores.importFile({ fileSearchStoreName: 'fileSearchStores/1', fileName: 'files/1' }),
  'fileSearchStores.uploadToFileSearchStore': (ai) =>
    ai.fileSearchStores.uploadToFileSearchStore({ fileSearchStoreName: 'fileSearchStores/1', file: blob() }),
  'fileSearchStores.downloadMedia': (ai) => ai.fileSearchStores.downloadMedia('fileSearchStores/1/media/2'),
  'fileSearchStores.documents.get': (ai) =>
    ai.fileSearchStores.documents.get({ name: 'fileSearchStores/1/documents/2' }),
  'fileSearchStores.documents.delete': (ai) =>
    ai.fileSearchStores.documents.delete({ name: 'fileSearchStores/1/documents/2' }),
  'fileSearchStores.documents.list': (ai) => ai.fileSearchStores.documents.list({ parent: 'fileSearchStores/1' }),
  'interactions.create': (ai) => ai.interactions.create({ model: 'gemini-x', input: contents }),
  'interactions.create streamed': (ai) => ai.interactions.create({ model: 'gemini-x', input: contents, stream: true }),
  'interactions.get': (ai) => ai.interactions.get('int 1'),
  'interactions.delete': (ai) => ai.interactions.delete('int 1'),
  'interactions.cancel': (ai) => ai.interactions.cancel('int 1'),
}

/** Methods without a case, with the reason. */
const OTHERS: Readonly<Record<string, RegExp>> = {
  'internal to the SDK':
    /Internal$|\.getClient$|With(Continuation|AfcTools)$|maybeMove|processAfc|processParams|initAfc|Content$/,
  'only on Vertex':
    /tunings\.list$|\.(editImage|upscaleImage|recontextImage|segmentImage|computeTokens|validateReward|registerFiles|isCallableTool|generateImages|generateVideos)$/,
  'builds a request': /batches\.(createInlined|getGcs|getBigquery|formatDestination)/,
  'a WebSocket': /^live\./,
  'plain JSON routes like interactions': /^(agents|webhooks|triggers|environments|credentials|voices)\./,
}

describe('every method of @google/genai', () => {
  let vendor: ScriptedVendor
  let relay: Service
  let runs = 0

  beforeAll(async () => {
    vendor = await startGenericVendor('gemini')
    relay = await startRelay(relayEnv(vendor.origin))
  })
  afterAll(async () => {
    await relay?.stop()
    await vendor?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const run = (base: string, key: string, call: Case) => {
    const tag = `call-${++runs}`
    const ai = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: base, headers: { [CALL_HEADER]: tag } } })
    return observe(vendor, tag, async () => plain(await call(ai)))
  }

  it('has a case for each', () => {
    const ai = new GoogleGenAI({ apiKey: 'key' })
    const covered = new Set(Object.keys(CASES).map((name) => name.split(' ')[0]))
    const missing = publicMethods(ai).filter(
      (name) => !covered.has(name) && !Object.values(OTHERS).some((reason) => reason.test(name)),
    )
    expect(missing).toEqual([])
  })

  for (const [name, call] of Object.entries(CASES)) {
    it(name, async () => {
      const expected = await run(vendor.origin, VENDOR_KEYS.gemini, call)
      expect(expected.requests.length, JSON.stringify(expected.result)).toBeGreaterThan(0)
      expect(unordered(await run(`${relay.origin}/proxy/gemini`, RELAY_TOKEN, call))).toEqual(unordered(expected))
    })
  }
})

function publicMethods(ai: GoogleGenAI): readonly string[] {
  const names: string[] = []
  const visit = (owner: object, path: string): void => {
    const own = Object.keys(owner).filter((key) => typeof Reflect.get(owner, key) === 'function')
    names.push(...[...own, ...inheritedNames(owner)].map((name) => `${path}.${name}`))
  }
  const { models, live, batches, chats, caches, files, operations, authTokens, tunings, fileSearchStores } = ai
  const modules = { models, live, batches, chats, caches, files, operations, authTokens, tunings, fileSearchStores }
  for (const [path, owner] of Object.entries(modules)) visit(owner, path)
  visit(fileSearchStores.documents, 'fileSearchStores.documents')
  visit(ai.interactions, 'interactions')
  return names
}
