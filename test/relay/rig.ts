import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { DIALECTS, type Dialect, rightAnswer } from '../testkit/dialects.ts'
import { headerOf, type RawResponse } from '../testkit/raw-client.ts'
import { afterBody, ScriptedVendor, type VendorOptions } from '../testkit/scripted-vendor.ts'
import { RELAY_TOKEN, relayEnv, type Service, type ServiceEnv, startRelay, VENDOR_KEYS } from '../testkit/services.ts'

/** A relay process in front of a scripted vendor, for the tests of one file or block. */
export interface Rig {
  readonly vendor: ScriptedVendor
  readonly relay: Service
}

/** What must be in no log line: every credential of the rig, and the words of prompts and answers. */
const SECRETS = [RELAY_TOKEN, ...Object.values(VENDOR_KEYS), 'Say hello', 'Hello there']

/**
 * Starts a vendor and a relay before the tests, and looks after each test that the relay still runs, that its log
 * holds no secret, and that the vendor never saw the caller's token.
 */
export function relayRig(env: ServiceEnv = {}, options: VendorOptions = {}): Rig {
  let vendor: ScriptedVendor | undefined
  let relay: Service | undefined
  beforeAll(async () => {
    vendor = await ScriptedVendor.start(options)
    relay = await startRelay(relayEnv(vendor.origin, env))
  })
  beforeEach(() => {
    vendor?.clear()
    answerRightly(started(vendor))
  })
  afterEach(async () => {
    for (const request of started(vendor).requests) expect(request.text).not.toContain(RELAY_TOKEN)
    for (const secret of SECRETS) expect(started(relay).log()).not.toContain(secret)
    expect((await fetch(`${started(relay).origin}/health`)).status).toBe(200)
  })
  afterAll(async () => {
    await relay?.stop()
    await vendor?.stop()
  })
  return {
    get vendor() {
      return started(vendor)
    },
    get relay() {
      return started(relay)
    },
  }
}

function started<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('only inside tests')
  return value
}

/** Lets the vendor answer as it should: the dialect is told by the path, streams by the request. */
export function answerRightly(vendor: ScriptedVendor): void {
  vendor.script = afterBody(({ target, body }) => {
    const streamed = target.includes('streamGenerate') || body.includes('"stream":true')
    return rightAnswer(dialectOf(target), streamed)
  })
}

function dialectOf(target: string): Dialect {
  if (target.includes('/messages')) return DIALECTS.anthropic
  return /:(generate|streamGenerate|embed|count)/.test(target) ? DIALECTS.gemini : DIALECTS.openai
}

/** Expects an error of the relay's own, in the vendor's shape. */
export function expectRefusal(
  response: RawResponse,
  dialect: Dialect,
  { status, code, reached = 'no' }: { status: number; code: string; reached?: 'no' | 'unknown' },
): void {
  const body = response.body.toString('utf8')
  expect({ status: response.status, code: headerOf(response, 'x-ferry-error') }, body).toEqual({ status, code })
  expect(headerOf(response, 'x-ferry-reached')).toBe(reached)
  expect(headerOf(response, 'content-type')).toMatch(/^application\/json/)
  expect(dialect.errorMessage(body), `not in the shape of ${dialect.vendor}: ${body}`).toBeTruthy()
  for (const secret of SECRETS) expect(response.body.includes(secret), 'a secret in an error').toBe(false)
}
