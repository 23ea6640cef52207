import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openAiPython } from './python.ts'
import { BFF_KEY, PLACE, startClientChain, TEXT, VECTOR, WEATHER } from './rig.ts'

const SCRIPT = fileURLToPath(new URL('openai_python.py', import.meta.url))

const python = await openAiPython()
const name = typeof python === 'string' ? `openai Python: skipped, ${python}` : 'openai Python'

const CASES = [
  ['v1', 'openai/gpt-4o', 'openai/text-embedding-3-small'],
  ['v1', 'anthropic/claude-opus-5', ''],
  ['v1', 'gemini/gemini-2.5-flash', 'gemini/gemini-embedding-001'],
  ['proxy/openai/v1', 'gpt-4o', 'text-embedding-3-small'],
] as const

describe.skipIf(typeof python === 'string')(name, () => {
  let chain: Awaited<ReturnType<typeof startClientChain>>
  let answers: readonly unknown[] = []

  // One process for all of them: the SDK takes seconds to load.
  beforeAll(async () => {
    chain = await startClientChain()
    if (typeof python === 'string') return
    const args = CASES.flatMap(([base, model, embedder]) => [`${chain.origin}/${base}`, model, embedder])
    answers = JSON.parse(await python(SCRIPT, BFF_KEY, ...args))
  }, 60_000)
  afterAll(() => chain?.stop())

  it.each(CASES.map((one, i) => [...one, i] as const))(
    'at /%s with %s chats, streams, uses a tool, gives an object and embeds',
    (_base, _model, embedder, i) => {
      const embed = embedder === '' ? null : VECTOR
      expect(answers[i]).toEqual({ chat: TEXT, stream: TEXT, tools: WEATHER, object: PLACE, embed })
    },
  )
})
