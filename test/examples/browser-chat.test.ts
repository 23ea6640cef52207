import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { launchChromium } from '../browser/page.ts'
import { root, SOURCE_FLAGS } from '../e2e/start.ts'
import { freePort } from '../testkit/ports.ts'
import { hang } from '../testkit/scripted-vendor.ts'
import { type ExampleEnv, inTurn, npmStart, scriptedChain, streamOf } from './rig.ts'

const pagePort = await freePort()
const address = `http://127.0.0.1:${pagePort}`
let browser: Browser

beforeAll(async () => {
  browser = await launchChromium()
}, 60_000)
afterAll(() => browser?.close())

/** The example's server while `use` runs, and a page of it. */
async function withPage(env: ExampleEnv, port: number, use: (page: Page) => Promise<void>): Promise<void> {
  const server: ChildProcess = spawn(process.execPath, [...SOURCE_FLAGS, `${root}/examples/browser-chat/server.ts`], {
    env: { ...process.env, ...env, MODEL: 'openai/any-model', PAGE_PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const page = await browser.newPage()
  try {
    if (server.stdout) await once(server.stdout, 'data')
    await page.goto(`http://127.0.0.1:${port}/`)
    await use(page)
  } finally {
    await page.close()
    server.kill()
    await once(server, 'exit')
  }
}

async function ask(page: Page, question: string): Promise<void> {
  await page.fill('#question', question)
  await page.click('#send')
}

describe('browser-chat against npm start', () => {
  const started = npmStart({ CORS_ORIGINS: address })

  it('streams an answer into the page, and reads limits and ids from another origin', async () => {
    await withPage(started.env, pagePort, async (page) => {
      await ask(page, '你好')
      await page.waitForSelector('.assistant[data-complete]')
      expect(await page.textContent('.assistant')).toContain('你好，我是沙箱里的模型。 Hello')
      expect(await page.textContent('#status')).toMatch(/^openai · \d+ left · req_\w+$/)
      await ask(page, '再来')
      await page.waitForFunction('document.querySelectorAll(".assistant[data-complete]").length === 2')
    })
  })

  it('gets nothing from an origin that is not allowed', async () => {
    await withPage(started.env, await freePort(), async (page) => {
      await ask(page, '你好')
      await page.waitForSelector('.error', { timeout: 20_000 })
      expect(await page.textContent('.assistant')).toBe('')
    })
  })

  it('holds no key in what it serves, but tokens that can do little', async () => {
    await withPage(started.env, pagePort, async () => {
      for (const path of ['/', '/page.js', '/session'])
        expect(await (await fetch(address + path)).text()).not.toContain(started.env.FERRY_KEY)
      const session = await (await fetch(`${address}/session`)).json()
      const { baseURL, token } = session as { baseURL: string; token: string }
      const post = (path: string, body: object): Promise<Response> =>
        fetch(baseURL + path, {
          method: 'POST',
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          body: JSON.stringify(body),
        })
      const messages = [{ role: 'user', content: '你好' }]
      expect((await post('/v1/chat/completions', { model: 'openai/any-model', messages })).status).toBe(200)
      expect((await post('/v1/chat/completions', { model: 'anthropic/another', messages })).status).toBe(403)
      expect((await post('/v1/session-tokens', { user: 'eve' })).status).toBe(403)
      expect((await post('/proxy/openai/v1/chat/completions', { model: 'any-model', messages })).status).toBe(403)
    })
  })
})

describe('browser-chat over the whole chain', () => {
  const chain = scriptedChain({ CORS_ORIGINS: address })

  it('shows each piece as it comes, and its stop button ends the vendor’s call within a second', async () => {
    chain.vendor.script = inTurn([...streamOf('你', '好'), hang()])
    await withPage(chain.env, pagePort, async (page) => {
      await ask(page, '你好')
      await page.waitForFunction('document.querySelector(".assistant")?.textContent === "你好"')
      const stoppedAt = performance.now()
      await page.click('#stop')
      expect((await chain.vendor.only.closed).at - stoppedAt).toBeLessThan(1000)
      await page.waitForSelector('.error')
      expect(await page.textContent('.error')).toBe('（已停止）')
    })
  })
})
