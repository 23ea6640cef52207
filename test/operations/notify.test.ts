import { createHmac } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eventually } from '../testkit/eventually.ts'
import { freePort } from '../testkit/ports.ts'
import { MONITORING } from './monitoring-files.ts'
import { type Program, runProgram, startProgram } from './program.ts'
import { type Robot, startRobot } from './robot.ts'

const SECRET = 'robot-secret-0123456789'
const alert = {
  status: 'firing',
  startsAt: '2026-11-22T10:00:00Z',
  annotations: { summary: 'Relay relay-1 cannot be scraped.', runbook: 'docs/deploy/runbooks/ServiceDown.md' },
}
const notification = {
  status: 'firing',
  commonLabels: { alertname: 'ServiceDown', severity: 'critical' },
  alerts: [alert],
}
const hmac = (key: string, text: string): string => createHmac('sha256', key).update(text).digest('base64')

describe('deploy/monitoring/notify', () => {
  let robot: Robot
  let notify: Program
  let origin: string

  beforeAll(async () => {
    robot = await startRobot({ errcode: 0, code: 0 })
    const port = await freePort()
    origin = `http://127.0.0.1:${port}`
    notify = startProgram(process.execPath, [`${MONITORING}/notify/notify.mjs`], {
      PORT: String(port),
      DINGTALK_WEBHOOK_URL: robot.url,
      DINGTALK_SECRET: SECRET,
      FEISHU_WEBHOOK_URL: robot.url,
      FEISHU_SECRET: SECRET,
    })
    await eventually('notify listens', () => notify.log().includes('listening'))
  })
  beforeEach(() => {
    robot.answer = { errcode: 0, code: 0 }
  })
  afterEach(() => robot.received.splice(0))
  afterAll(async () => {
    await notify?.stop()
    await robot?.stop()
  })

  const post = (path: string, body: unknown): Promise<Response> =>
    fetch(`${origin}${path}`, { method: 'POST', body: JSON.stringify(body) })

  it('signs and words a message as DingTalk wants it', async () => {
    expect((await post('/dingtalk', notification)).status).toBe(200)
    const [{ path, body } = { path: '', body: {} }] = robot.received
    const { searchParams } = new URL(path, origin)
    const timestamp = searchParams.get('timestamp') ?? ''
    expect(searchParams.get('access_token')).toBe('robot-token-0123456789')
    expect(Math.abs(Number(timestamp) - Date.now())).toBeLessThan(10_000)
    expect(searchParams.get('sign')).toBe(hmac(SECRET, `${timestamp}\n${SECRET}`))
    expect(body).toMatchObject({ msgtype: 'markdown', markdown: { title: '🔥 critical: ServiceDown (1)' } })
    expect(JSON.stringify(body)).toContain(alert.annotations.summary)
  })

  it('signs and words a message as Feishu wants it', async () => {
    expect((await post('/feishu', { ...notification, status: 'resolved' })).status).toBe(200)
    const { timestamp, sign, msg_type, card } = (robot.received[0]?.body ?? {}) as Record<string, never>
    expect(sign).toBe(hmac(`${timestamp}\n${SECRET}`, ''))
    expect(msg_type).toBe('interactive')
    expect(JSON.stringify(card)).toContain('✅ resolved: ServiceDown (1)')
  })

  it('cuts a message of many alerts, between characters', async () => {
    const many = Array.from({ length: 200 }, () => ({ ...alert, annotations: { summary: '磁盘满了，请处理' } }))
    expect((await post('/dingtalk', { ...notification, alerts: many })).status).toBe(200)
    const { markdown } = (robot.received[0]?.body ?? {}) as { markdown?: { text: string } }
    const { text = '' } = markdown ?? {}
    expect(Buffer.byteLength(text)).toBeLessThan(4000)
    expect(text).not.toContain('\uFFFD')
    expect(text.endsWith('\n…')).toBe(true)
  })

  it('makes Alertmanager repeat what a robot refuses with status 200, and leaks no token', async () => {
    robot.answer = { errcode: 310000, errmsg: 'sign not match' }
    const answer = await post('/dingtalk', notification)
    expect(answer.status).toBe(502)
    expect(await answer.text()).toContain('sign not match')
    expect(notify.log()).not.toContain('robot-token')
    expect(notify.log()).not.toContain(SECRET)
  })

  it('makes Alertmanager repeat what finds no robot, and leaks no token then either', async () => {
    const [port, dead] = [await freePort(), await freePort()]
    const other = startProgram(process.execPath, [`${MONITORING}/notify/notify.mjs`], {
      PORT: String(port),
      WECOM_WEBHOOK_URL: `http://127.0.0.1:${dead}/robot?key=robot-token-0123456789`,
    })
    await eventually('notify listens', () => other.log().includes('listening'))
    const answer = await fetch(`http://127.0.0.1:${port}/wecom`, { method: 'POST', body: JSON.stringify(notification) })
    expect(answer.status).toBe(502)
    await other.stop()
    expect(other.log() + (await answer.text())).not.toContain('robot-token')
  })

  it('says whom it serves, drops what is for others, and does not start for nobody', async () => {
    expect(notify.log()).toMatch(/listening on \d+ for dingtalk, feishu\n/)
    const dropped = await post('/wecom', notification)
    expect(dropped.status).toBe(200)
    expect(await dropped.text()).toContain('no WECOM_WEBHOOK_URL')
    expect(robot.received).toEqual([])
    const { status, output } = runProgram(process.execPath, [`${MONITORING}/notify/notify.mjs`])
    expect(status).toBe(1)
    expect(output).toContain('set one of DINGTALK_WEBHOOK_URL, FEISHU_WEBHOOK_URL, WECOM_WEBHOOK_URL')
    const wrong = runProgram(process.execPath, [`${MONITORING}/notify/notify.mjs`], {
      env: { FEISHU_WEBHOOK_URL: 'robot-token-0123456789' },
    })
    expect(wrong).toMatchObject({
      status: 1,
      output: expect.stringMatching(/^notify: FEISHU_WEBHOOK_URL is no address/),
    })
    expect(wrong.output).not.toContain('robot-token')
  })

  it('takes nothing but JSON of a bounded size', async () => {
    expect((await post('/elsewhere', notification)).status).toBe(404)
    expect((await fetch(`${origin}/feishu`, { method: 'POST', body: '{' })).status).toBe(502)
    expect((await post('/feishu', 'x'.repeat(1_100_000))).status).toBe(502)
    expect(robot.received).toEqual([])
  })
})
