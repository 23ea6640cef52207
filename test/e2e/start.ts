import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { freePort } from '../testkit/ports.ts'

export const root: string = fileURLToPath(new URL('../..', import.meta.url))

/** Arguments with which Node runs our TypeScript sources. */
export const SOURCE_FLAGS: readonly string[] = ['--disable-warning=ExperimentalWarning', '--conditions=ferry-source']

/** `npm start`'s program, running as a user would run it. */
export interface Started {
  readonly child: ChildProcess
  /** Everything on stdout and stderr so far. */
  output(): string
  /** Waits until the output contains `text`. */
  says(text: string, timeoutMs?: number): Promise<void>
  readonly exited: Promise<number | null>
}

/** An environment without vendor keys and without what the test run brings along. */
export async function startEnv(more: Record<string, string> = {}): Promise<NodeJS.ProcessEnv> {
  const [relay, bff] = [await freePort(), await freePort()]
  return { PATH: process.env.PATH, RELAY_PORT: String(relay), BFF_PORT: String(bff), ...more }
}

/** Runs `tools/start/main.ts` in `cwd`. */
export function start(env: NodeJS.ProcessEnv, cwd: string = root): Started {
  const child = spawn(process.execPath, [...SOURCE_FLAGS, `${root}/tools/start/main.ts`], { cwd, env, stdio: 'pipe' })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (piece: string) => (text += piece))
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  return {
    child,
    exited,
    output: () => text,
    async says(wanted, timeoutMs = 20_000) {
      const deadline = performance.now() + timeoutMs
      while (!text.includes(wanted)) {
        if (performance.now() > deadline || child.exitCode !== null) throw new Error(`never said "${wanted}":\n${text}`)
        await new Promise((resolve) => setTimeout(resolve, 30))
      }
    },
  }
}
