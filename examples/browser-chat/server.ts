// The page's own server, on loopback. The BFF must allow its origin: CORS_ORIGINS=http://127.0.0.1:5173 npm start
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const { FERRY_URL = 'http://127.0.0.1:8080', FERRY_KEY = '', MODEL = 'anthropic/claude-haiku-4-5' } = process.env
const { PAGE_PORT = '5173' } = process.env
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

const server = createServer((request, response) => {
  const { url = '/' } = request
  // Only because this server is on loopback and its user is you: a key for everybody's browser would be everybody's.
  // In production this route checks who is logged in and gives a short-lived token for that one user.
  if (url === '/session') {
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    response.end(JSON.stringify({ baseURL: FERRY_URL, key: FERRY_KEY, model: MODEL }))
    return
  }
  const file = FILES[url]
  if (file) response.writeHead(200, { 'content-type': file.type }).end(file.body)
  else response.writeHead(404).end()
})
server.listen(Number(PAGE_PORT), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
