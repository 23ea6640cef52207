import { describe, expect, it } from 'vitest'
import { afterBody } from '../../../../test/testkit/scripted-vendor.ts'
import { parseFileConfig } from '../../src/config-file.ts'
import { createTargets } from '../../src/dispatch/resolve.ts'
import { errorOf, json, plainAnswer, startTestBff } from '../support.ts'

const busy = { error: { message: 'busy', type: 'server_error', code: null, param: null } }
const picture = { type: 'image_url', image_url: { url: 'data:image/png;base64,aGk=' } }
const seeing = { messages: [{ role: 'user', content: [{ type: 'text', text: 'What is this?' }, picture] }] }
const BLIND = 'models:\n  second/blind: { capabilities: { vision: false, tools: false } }\n'

describe('a call that its target cannot do', () => {
  it.each([
    ['an image for a model without eyes', { model: 'second/blind', ...seeing }, 'messages[0].content[1]'],
    [
      'tools for a model that calls none',
      { model: 'second/blind', tools: [{ type: 'function', function: { name: 'f' } }] },
      'tools',
    ],
    ['two answers of a vendor that gives one', { model: 'anthropic/claude-x', n: 2 }, 'n'],
  ])('is refused by name before it is sent, and counts nothing: %s', async (_, body, param) => {
    const { chat, vendor } = await startTestBff(
      afterBody(() => plainAnswer()),
      { KEY_DAILY_QUOTA: '1' },
      BLIND,
    )
    const refused = await chat(body)
    expect(refused.status).toBe(400)
    expect(await errorOf(refused)).toMatchObject({ code: 'unsupported_parameter', param })
    expect(vendor.requests).toHaveLength(0)
    expect((await chat()).status).toBe(200)
  })

  it('passes over a fallback that would have to refuse it', async () => {
    const { chat, vendor } = await startTestBff(
      afterBody(({ target, body }) =>
        target.includes('chat/completions') && body.includes('"last"') ? plainAnswer() : json(503, busy),
      ),
      {},
      `${BLIND}aliases:\n  smart: [openai/first, second/blind, second/last]\n`,
    )
    const response = await chat({ model: 'smart', ...seeing })
    expect(response.headers.get('x-ferry-model')).toBe('last')
    expect(response.headers.get('x-ferry-attempts')).toBe('2')
    expect(vendor.requests).toHaveLength(2)
  })

  it('is left to the vendor where nothing is known of the model', async () => {
    const { chat } = await startTestBff(afterBody(() => plainAnswer()))
    expect((await chat({ model: 'second/unheard-of', ...seeing })).status).toBe(200)
  })
})

describe('a model’s time', () => {
  const targets = createTargets(parseFileConfig('models:\n  openai/gpt-5: { timeoutMs: 5000 }\n', 'ferry.yaml', {}))

  it.each([
    ['gpt-5-mini', 600_000],
    ['gpt-5', 5_000],
    ['gpt-4.1', undefined],
    ['unheard-of', undefined],
  ])('is ten minutes where it reasons and nothing else is said: %s', (model, timeoutMs) => {
    expect(targets('openai', model)?.timeoutMs).toBe(timeoutMs)
  })
})
