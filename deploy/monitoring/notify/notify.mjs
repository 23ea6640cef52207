// Passes Alertmanager's webhooks on to the robots of DingTalk, Feishu and WeCom, which each want a form of their own. No
// dependency: `node notify.mjs`. Alertmanager repeats what is not answered with 200.
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'

const MAX_BODY_BYTES = 1_048_576
/** The robots take 20 kB (DingTalk, Feishu) and 4 kB (WeCom); in bytes of UTF-8. */
const MAX_TEXT_BYTES = 3_800
const TIMEOUT_MS = 10_000

/** NAME, or what the file NAME_FILE holds. */
function variable(name) {
  const file = process.env[`${name}_FILE`]
  const value = file ? readFileSync(file, 'utf8') : process.env[name]
  return value?.trim() || undefined
}

const hmac = (key, text) => createHmac('sha256', key).update(text).digest('base64')

/** By path: the robot's address and secret, and the message in its form. */
const ROBOTS = {
  dingtalk: {
    url: variable('DINGTALK_WEBHOOK_URL'),
    secret: variable('DINGTALK_SECRET'),
    request(url, secret, title, text) {
      const address = new URL(url)
      if (secret) {
        const timestamp = Date.now()
        address.searchParams.set('timestamp', timestamp)
        address.searchParams.set('sign', hmac(secret, `${timestamp}\n${secret}`))
      }
      return { url: address, body: { msgtype: 'markdown', markdown: { title, text } } }
    },
    accepted: (answer) => answer.errcode === 0,
  },
  feishu: {
    url: variable('FEISHU_WEBHOOK_URL'),
    secret: variable('FEISHU_SECRET'),
    request(url, secret, title, text) {
      const timestamp = String(Math.floor(Date.now() / 1000))
      const signed = secret ? { timestamp, sign: hmac(`${timestamp}\n${secret}`, '') } : {}
      const elements = [{ tag: 'markdown', content: text }]
      const card = { header: { title: { tag: 'plain_text', content: title } }, elements }
      return { url, body: { ...signed, msg_type: 'interactive', card } }
    },
    accepted: (answer) => answer.code === 0 || answer.StatusCode === 0,
  },
  wecom: {
    url: variable('WECOM_WEBHOOK_URL'),
    request: (url, _secret, _title, text) => ({ url, body: { msgtype: 'markdown', markdown: { content: text } } }),
    accepted: (answer) => answer.errcode === 0,
  },
}

/** Title and markdown of a group of alerts. */
function messageOf({ status, alerts = [], commonLabels = {} }) {
  const isOver = status === 'resolved'
  const name = commonLabels.alertname ?? 'alerts'
  const title = `${isOver ? '✅ resolved' : `🔥 ${commonLabels.severity ?? 'firing'}`}: ${name} (${alerts.length})`
  const lines = alerts.map(({ status: one, annotations = {}, startsAt }) =>
    [`- **${one}** since ${startsAt}: ${annotations.summary ?? ''}`, annotations.runbook && `  ${annotations.runbook}`]
      .filter(Boolean)
      .join('\n'),
  )
  return { title, text: shortened([`**${title}**`, ...lines].join('\n')) }
}

function shortened(text) {
  if (Buffer.byteLength(text) <= MAX_TEXT_BYTES) return text
  const kept = new TextDecoder().decode(Buffer.from(text).subarray(0, MAX_TEXT_BYTES)).replace(/�+$/, '')
  return `${kept}\n…`
}

async function pass(robot, notification) {
  const { title, text } = messageOf(notification)
  const { url, body } = robot.request(robot.url, robot.secret, title, text)
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  // The robots answer 200 to what they refuse.
  const answer = await response.json()
  if (!response.ok || !robot.accepted(answer)) {
    throw new Error(`refused with ${response.status} ${JSON.stringify(answer).slice(0, 300)}`)
  }
}

async function bodyOf(request) {
  const chunks = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) throw new Error('the body is larger than 1 MiB')
    chunks.push(chunk)
  }
  return JSON.parse(Buffer.concat(chunks).toString())
}

const served = Object.keys(ROBOTS).filter((name) => ROBOTS[name].url)
if (served.length === 0) {
  const names = Object.keys(ROBOTS).map((name) => `${name.toUpperCase()}_WEBHOOK_URL`)
  process.stderr.write(`notify: nobody would hear of an alert: set one of ${names.join(', ')}\n`)
  process.exit(1)
}
for (const name of served) {
  if (URL.canParse(ROBOTS[name].url)) continue
  // It holds the robot's token, and is not shown.
  process.stderr.write(
    `notify: ${name.toUpperCase()}_WEBHOOK_URL is no address: copy it whole from the robot, https://…\n`,
  )
  process.exit(1)
}

const server = createServer(async (request, response) => {
  const name = request.url?.slice(1) ?? ''
  const robot = Object.hasOwn(ROBOTS, name) ? ROBOTS[name] : undefined
  if (request.method === 'GET' && name === 'health') return void response.writeHead(200).end('ok\n')
  if (request.method !== 'POST' || !robot)
    return void response.writeHead(404).end('POST /dingtalk, /feishu or /wecom\n')
  if (!robot.url) return void response.writeHead(200).end(`dropped: there is no ${name.toUpperCase()}_WEBHOOK_URL\n`)
  try {
    await pass(robot, await bodyOf(request))
    response.writeHead(200).end('passed on\n')
  } catch (error) {
    // fetch's messages name no address, which holds the robot's token.
    const reason = error instanceof Error ? error.message : String(error)
    process.stderr.write(`notify: ${name}: ${reason}\n`)
    response.writeHead(502).end(`${reason}\n`)
  }
})

const { HOST = '127.0.0.1', PORT = '9094' } = process.env
server.listen(Number(PORT), HOST, () =>
  process.stdout.write(`notify: listening on ${server.address().port} for ${served.join(', ')}\n`),
)
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    server.close()
    server.closeIdleConnections()
  })
}
