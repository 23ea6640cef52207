import { join } from 'node:path'
import type { Command } from '../processes.ts'
import { ROOT } from '../rig.ts'

/** One of our services, from its source, as `npm run …` starts it. */
export function nodeService(name: 'relay' | 'bff', port: number, env: Readonly<Record<string, string>>): Command {
  return {
    file: process.execPath,
    args: [
      '--disable-warning=ExperimentalWarning',
      '--conditions=ferry-source',
      join(ROOT, 'packages', name, 'src/main.ts'),
    ],
    // Its log, with a line for each request, goes to a file.
    env: { HOST: '127.0.0.1', PORT: String(port), METRICS_PORT: '0', NODE_ENV: 'production', ...env },
  }
}
