// The page's own server, on loopback. The BFF must allow its origin: CORS_ORIGINS=http://127.0.0.1:5173 npm start
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { createFerry } from '@llm-ferry/sdk'
import { rolldown } from 'rolldown'

const { FERRY_URL = 'http://127.0.0.1:8080', FERRY_KEY = '', MODEL = 'anthropic/claude-haiku-4-5' } = process.env
const { PAGE_PORT = '5173' } = process.env
/** The key stays here; pages get tokens. */
const ferry = createFerry({ baseURL: FERRY_URL, apiKey: FERRY_KEY })
const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url))

const FILES: Readonly<Record<string, { type: string; body: string }>> = {
  '/': { type: 'text/html; charset=utf-8', body: readFileSync(here('index.html'), 'utf8') },
  '/page.js': { type: 'text/javascript', body: await bundle(here('page.ts')) },
}

async function bundle(input: string): Promise<string> {
  const build = await rolldown({
    input,
    platform: 'browser',
    resolve: { conditionNames: ['ferry-source', 'browser', 'import', 'default'] },
  })
  const { output } = await build.generate({ format: 'esm' })
  await build.close()
  return output[0].code
}

/** Who sits before the browser. In production: who is logged in. Here: whoever has the cookie. */
function userOf({ headers }: IncomingMessage): string {
  return /(?:^|; )user=(visitor-[\w-]+)/.exec(headers.cookie ?? '')?.[1] ?? `visitor-${randomUUID()}`
}

/** A token for this one user and this one model, for five minutes: all that a stranger could do with it. */
async function giveSession(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const user = userOf(request)
  const { token } = await ferry.sessionTokens.create({
    user,
    expires_in: 300,
    models: [MODEL],
    limits: { requests_per_minute: 20 },
  })
  response.writeHead(200, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'set-cookie': `user=${user}; HttpOnly; SameSite=Strict; Path=/session`,
  })
  response.end(JSON.stringify({ baseURL: FERRY_URL, token, model: MODEL }))
}

const server = createServer((request, response) => {
  const { url = '/' } = request
  if (url === '/session') {
    giveSession(request, response).catch((error: unknown) => {
      console.error(error)
      response.writeHead(502).end()
    })
    return
  }
  const file = FILES[url]
  if (file) response.writeHead(200, { 'content-type': file.type }).end(file.body)
  else response.writeHead(404).end()
})
server.listen(Number(PAGE_PORT), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
