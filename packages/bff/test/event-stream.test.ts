import { mkdtempSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { eventually } from '../../../test/testkit/eventually.ts'
import { afterBody, chunk, hang } from '../../../test/testkit/scripted-vendor.ts'
import { BFF_KEY, startTestBff, streamHead } from './support.ts'

/** More than the sockets between BFF and caller hold. */
const LONG = 'x'.repeat(1_000_000)
const event = (content: string): string =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { content }, finish_reason: null }] })}\n\n`

test.each(['/v1/chat/completions', '/proxy/openai/v1/chat/completions'])(
  '%s: a caller that leaves what it did not read has left: that is no fault of ours',
  async (path) => {
    const steps = [streamHead(), ...Array.from({ length: 12 }, () => chunk(event(LONG))), hang()]
    const file = join(mkdtempSync(join(tmpdir(), 'ferry-left-')), 'ledger.jsonl')
    const { bff, origin, logLines } = await startTestBff(
      afterBody(() => steps),
      { LEDGER_FILE: file },
    )
    const body = JSON.stringify({ model: 'gpt-5-mini', stream: true, messages: [{ role: 'user', content: 'hi' }] })
    const headers = { authorization: `Bearer ${BFF_KEY}`, 'content-type': 'application/json' }
    const call = request(`${origin}${path}`, { method: 'POST', headers })
    call.on('error', () => {})
    call.end(body)
    await new Promise((resolve) => call.once('response', (response) => resolve(response.pause())))
    await sleep(500)
    call.destroy()
    await eventually('the call has its line', () => logLines.some((line) => line.includes('client_closed')))
    await bff.stop()
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ outcome: 'client_closed', estimated: true })
  },
)
