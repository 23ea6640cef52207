import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MEASURES } from '../measures.ts'
import { Unavailable } from '../peers.ts'
import { findProgram, VENDOR_KEY } from '../rig.ts'
import { chatAsk, modelOf, PROBE, type Shape, type Target } from './target.ts'

const TOKEN = 'benchtoken00000000000000000000000000000000000000'
const ADMINISTRATOR = 'benchadministrator00000000000000'
/** How often it reads its channels again. */
const SYNC_SECONDS = 2

/** How it calls the three vendors' interfaces (relay/channeltype/define.go). */
const CHANNELS: Readonly<Record<Shape, number>> = { openai: 1, anthropic: 14, gemini: 24 }

/** It serves models that a channel lists, and no others. */
const MODELS = [...new Set([PROBE, ...MEASURES.map(({ order }) => order)].map(modelOf))]

// No registry has it: Go's own way of installing lacks the web pages that it is built with. It fetches its tokenizers as it
// starts; where it cannot, TIKTOKEN_CACHE_DIR names a folder that has them.
const MISSING =
  'there is no one-api on PATH; build github.com/songquanpeng/one-api, whose web/build/{default,berry,air} may hold an empty index.html each'

export const oneApi: Target = {
  name: 'one-api',
  about:
    'one-api v0.6.11-alpha.22, in Go, on one processor: SQLite, channels in memory, quota and a log entry for each call',
  swapsKey: true,
  prepare(rig, port) {
    const { TIKTOKEN_CACHE_DIR } = process.env
    const file = findProgram('one-api')
    if (file === undefined) throw new Unavailable(MISSING)
    const folder = join(rig.run, 'one-api')
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    return {
      file,
      args: ['--port', String(port), '--log-dir', folder],
      cwd: folder,
      env: {
        GIN_MODE: 'release',
        SQLITE_PATH: join(folder, 'one-api.db'),
        INITIAL_ROOT_TOKEN: TOKEN,
        INITIAL_ROOT_ACCESS_TOKEN: ADMINISTRATOR,
        MEMORY_CACHE_ENABLED: 'true',
        BATCH_UPDATE_ENABLED: 'true',
        ...(TIKTOKEN_CACHE_DIR && { TIKTOKEN_CACHE_DIR }),
        SYNC_FREQUENCY: String(SYNC_SECONDS),
      },
    }
  },
  async configure({ vendorUrl }, port) {
    for (const [shape, type] of Object.entries(CHANNELS)) {
      const names = MODELS.map((model) => [`${shape}/${model}`, model] as const)
      const channel = {
        type,
        name: shape,
        key: VENDOR_KEY,
        base_url: vendorUrl,
        group: 'default',
        models: names.map(([name]) => name).join(','),
        model_mapping: JSON.stringify(Object.fromEntries(names)),
      }
      const response = await fetch(`http://127.0.0.1:${port}/api/channel/`, {
        method: 'POST',
        headers: { authorization: ADMINISTRATOR, 'content-type': 'application/json' },
        body: JSON.stringify(channel),
      })
      const { success, message } = await response.json()
      if (!success) throw new Error(`one-api takes no channel: ${message}`)
    }
    await sleep((SYNC_SECONDS + 1) * 1000)
  },
  ask: (order) => chatAsk(order, `${order.shape}/${modelOf(order)}`, { Authorization: `Bearer sk-${TOKEN}` }),
}
