import { readFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import { stripTypeScriptTypes } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium } from 'playwright-core'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Where the page finds what the SDK imports, as it was built; there is no bundler in between. */
const MODULES: Readonly<Record<string, string>> = {
  '@llm-ferry/sdk': 'packages/sdk/dist/index.js',
  ky: 'packages/sdk/node_modules/ky/distribution/index.js',
  'eventsource-parser': 'packages/sdk/node_modules/eventsource-parser/dist/index.js',
}
const imports = Object.fromEntries(Object.entries(MODULES).map(([name, file]) => [name, `/${file}`]))
const PAGE = `<!doctype html><meta charset="utf-8"><title>scenarios</title>
<script type="importmap">${JSON.stringify({ imports })}</script>`

/** Debian's Chromium without a window, and without what it fetches from its maker. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** Serves a page, this repository's modules, and the API of a server behind it, as a site of one origin does. */
export async function serveSite(api: string): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const server = createServer(async (incoming, response) => {
    const { url = '', method, headers } = incoming
    if (url === '/') response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE)
    else if (/^\/(packages|test)\//.test(url))
      await serveModule(url, response.writeHead.bind(response))
        .then((code) => response.end(code))
        .catch(() => response.writeHead(404).end())
    else {
      const onward = request(new URL(url, api), { method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      })
      onward.on('error', () => response.destroy())
      response.on('close', () => onward.destroy())
      incoming.pipe(onward)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function serveModule(url: string, writeHead: (status: number, headers: Record<string, string>) => unknown) {
  const code = await readFile(join(root, url), 'utf8')
  writeHead(200, { 'content-type': 'text/javascript' })
  return url.endsWith('.ts') ? stripTypeScriptTypes(code) : code
}
