import { join } from 'node:path'
import { installFromNpm } from '../peers.ts'
import { VENDOR_KEY } from '../rig.ts'
import { chatAsk, modelOf, type Shape, type Target } from './target.ts'

// A plain install of this version answers streams with 500: these are the versions that it was released with.
const MANIFEST = {
  dependencies: { '@portkey-ai/gateway': '1.15.2', hono: '4.9.7', '@hono/node-server': '1.13.5' },
  overrides: { hono: '4.9.7', '@hono/node-server': '1.13.5' },
}

const PROVIDERS: Readonly<Record<Shape, { name: string; version: string }>> = {
  openai: { name: 'openai', version: 'v1' },
  anthropic: { name: 'anthropic', version: 'v1' },
  gemini: { name: 'google', version: 'v1beta' },
}

export const portkey: Target = {
  name: 'portkey',
  about: '@portkey-ai/gateway 1.15.2 on its own Node server: no keys, no limits, no access log',
  // It keeps no keys: callers send the vendor's.
  holdsStreams: true,
  swapsKey: false,
  prepare(rig, port) {
    const folder = installFromNpm(rig, 'portkey', MANIFEST)
    const file = join(folder, 'node_modules/@portkey-ai/gateway/build/start-server.js')
    return {
      file: process.execPath,
      args: [file, `--port=${port}`, '--headless'],
      env: { NODE_ENV: 'production', TRUSTED_CUSTOM_HOSTS: '127.0.0.1,localhost' },
    }
  },
  ask(order, { vendorUrl }) {
    const { name, version } = PROVIDERS[order.shape]
    return chatAsk(order, modelOf(order), {
      Authorization: `Bearer ${VENDOR_KEY}`,
      'x-portkey-provider': name,
      'x-portkey-custom-host': `${vendorUrl}/${version}`,
    })
  },
}
