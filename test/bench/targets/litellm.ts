import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { installFromPyPi } from '../peers.ts'
import { CALLER_TOKEN, VENDOR_KEY } from '../rig.ts'
import { chatAsk, modelOf, type Target } from './target.ts'

const configuration = (vendorUrl: string): object => ({
  model_list: [
    ['openai/*', `${vendorUrl}/v1`],
    ['anthropic/*', vendorUrl],
    ['gemini/*', vendorUrl],
  ].map(([model, origin]) => ({
    model_name: model,
    litellm_params: { model, api_base: origin, api_key: VENDOR_KEY },
  })),
  general_settings: { master_key: CALLER_TOKEN },
  litellm_settings: { telemetry: false },
})

export const litellm: Target = {
  name: 'litellm',
  about: 'litellm[proxy] 1.106.2, one worker: one key, no limits, no database',
  swapsKey: true,
  startMs: 90_000,
  prepare(rig, port) {
    const installed = installFromPyPi(rig, 'litellm', 'litellm[proxy]==1.106.2')
    const folder = join(rig.run, 'litellm')
    mkdirSync(folder, { recursive: true })
    const file = join(folder, 'config.yaml')
    writeFileSync(file, stringify(configuration(rig.vendorUrl)))
    return {
      file: join(installed, 'bin/litellm'),
      args: ['--config', file, '--host', '127.0.0.1', '--port', String(port), '--num_workers', '1'],
      cwd: folder,
      env: { LITELLM_LOG: 'ERROR', LITELLM_LOCAL_MODEL_COST_MAP: 'True' },
    }
  },
  ask: (order) => chatAsk(order, `${order.shape}/${modelOf(order)}`),
}
