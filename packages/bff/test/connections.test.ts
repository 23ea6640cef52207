import { connect } from 'node:net'
import { expect, it } from 'vitest'
import { eventually } from '../../../test/testkit/eventually.ts'
import { afterBody, delay, lastChunk } from '../../../test/testkit/scripted-vendor.ts'
import { payloads, startTestBff, streamEvents, streamHead } from './support.ts'

it('a stop does not wait for connections that have sent nothing, and lets a stream end', async () => {
  const { bff, chat } = await startTestBff(
    afterBody(() => [streamHead(), ...streamEvents().slice(0, 2), delay(400), ...streamEvents().slice(2), lastChunk()]),
    { DRAIN_TIMEOUT_MS: '20000' },
  )
  const silent = connect(bff.port, '127.0.0.1')
  await new Promise((resolve) => silent.once('connect', resolve))
  const response = await chat({ stream: true })
  const startedAt = performance.now()
  const [text] = await Promise.all([response.text(), bff.stop()])
  expect(payloads(text).at(-1)).toBe('[DONE]')
  expect(performance.now() - startedAt).toBeLessThan(5000)
  expect(silent.destroyed || silent.readableEnded || silent.closed).toBe(true)
})

it('a caller who leaves in mid-stream is no error in the log', async () => {
  const { chat, vendor, logLines } = await startTestBff(
    afterBody(() => [streamHead(), ...streamEvents().slice(0, 2), delay(5000)]),
  )
  const leave = new AbortController()
  const response = await chat({ stream: true }, { signal: leave.signal })
  await response.body?.getReader().read()
  leave.abort()
  await vendor.only.closed
  await eventually('the access line', () => logLines.some((line) => line.includes('client_closed')))
  expect(logLines.filter((line) => line.includes('"level":"error"'))).toEqual([])
})
