import { setTimeout as sleep } from 'node:timers/promises'
import { FerryError } from '@llm-ferry/sdk'
import { describe, expect, it } from 'vitest'
import { afterBody } from '../../../../test/testkit/scripted-vendor.ts'
import { Breakers, ModelRests } from '../../src/dispatch/breakers.ts'
import { AttemptFailure } from '../../src/dispatch/failure.ts'
import { callNative, DIALECTS } from '../native/support.ts'
import { errorOf, json, plainAnswer, startTestBff } from '../support.ts'

const busy = { error: { message: 'busy', type: 'server_error', code: null, param: null } }
const wrong = { error: { message: 'bad temperature', type: 'invalid_request_error', code: null, param: 'temperature' } }

const model = { vendor: 'v', model: 'm' }
const failing = (): Promise<never> =>
  Promise.reject(new AttemptFailure(new FerryError('vendor_overloaded', 'busy'), 'vendor'))
const serving = (): Promise<string> => Promise.resolve('served')

async function opened(restMs: number, changes: number[] = []): Promise<Breakers> {
  const breakers = new Breakers({ restMs, onChange: (_, change) => void changes.push(change) })
  for (let i = 0; i < 6; i++) await breakers.run(model, failing).catch(() => undefined)
  return breakers
}

describe('a breaker', () => {
  it('opens after enough failures, for one model alone', async () => {
    const breakers = await opened(60_000)
    await expect(breakers.run(model, serving)).rejects.toBeInstanceOf(ModelRests)
    expect(await breakers.run({ ...model, model: 'other' }, serving)).toBe('served')
  })

  it('lets one call try after the rest, others not meanwhile, and closes when it is served', async () => {
    const changes: number[] = []
    const breakers = await opened(50, changes)
    await sleep(60)
    let serve = (_: string): void => {}
    const trying = breakers.run(model, () => new Promise<string>((resolve) => (serve = resolve)))
    await expect(breakers.run(model, serving)).rejects.toBeInstanceOf(ModelRests)
    serve('served')
    expect(await trying).toBe('served')
    expect(await breakers.run(model, serving)).toBe('served')
    expect(changes).toEqual([1, -1])
  })

  it('stays open when the call that tries fails', async () => {
    const breakers = await opened(50)
    await sleep(60)
    await breakers.run(model, failing).catch(() => undefined)
    await expect(breakers.run(model, serving)).rejects.toBeInstanceOf(ModelRests)
  })

  it('does not mind what the caller did', async () => {
    const breakers = new Breakers()
    for (const code of ['invalid_request', 'client_closed', 'vendor_rate_limited'] as const) {
      const mistaken = () => Promise.reject(new AttemptFailure(new FerryError(code, code), 'vendor'))
      for (let i = 0; i < 10; i++) await breakers.run(model, mistaken).catch(() => undefined)
    }
    expect(await breakers.run(model, serving)).toBe('served')
  })
})

describe('a model that fails', () => {
  it('is left alone: its calls fail at once, and an alias goes to its next model', async () => {
    const bff = await startTestBff(
      afterBody(({ body }) => (body.includes('"ill"') ? json(503, busy) : plainAnswer())),
      { MAX_RETRIES: '1' },
      'aliases:\n  smart: [openai/ill, second/well]\n',
    )
    for (let i = 0; i < 6; i++) {
      expect((await bff.chat({ model: 'smart' })).headers.get('x-ferry-model')).toBe('well')
    }
    expect(bff.vendor.requests).toHaveLength(12)
    const alone = await bff.chat({ model: 'openai/ill' })
    expect(Number(alone.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await errorOf(alone)).toMatchObject({ code: 'vendor_overloaded' })
    const body = JSON.stringify({ model: 'ill', messages: [] })
    const native = await callNative(bff, 'openai', DIALECTS.openai.path, { body })
    expect(native.headers.get('x-ferry-error')).toBe('vendor_overloaded')
    expect((await bff.chat({ model: 'smart' })).headers.get('x-ferry-model')).toBe('well')
    expect(bff.vendor.requests).toHaveLength(13)
  })

  it('by the caller’s mistakes is not left alone', async () => {
    const bff = await startTestBff(afterBody(() => json(400, wrong)))
    for (let i = 0; i < 8; i++) expect((await bff.chat()).status).toBe(400)
    expect(bff.vendor.requests).toHaveLength(8)
  })
})
