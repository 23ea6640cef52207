import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** The two ends of the line. */
export type End = 'home' | 'abroad'

/** Addresses of the two ends, from the ranges for documentation. */
export const ADDRESS: Readonly<Record<End, string>> = { home: '192.0.2.1', abroad: '198.51.100.1' }

/** What sends: BBR abroad, where the loss is ahead; cubic at home, as most machines have it. */
const CONGESTION: Readonly<Record<End, string>> = { home: 'cubic', abroad: 'bbr' }

/** Two network namespaces that are joined by an emulated line alone. Needs root, iproute2 and a C compiler. */
export class Wan {
  readonly #id = `ferry-${process.pid}`
  readonly #folder = mkdtempSync(join(tmpdir(), 'ferry-wan-'))
  #line: ChildProcess | undefined
  #answers: AsyncIterator<string> | undefined

  /** Makes the namespaces and the line. Whatever fails, {@link down} takes away what there is. */
  async up(): Promise<void> {
    const bin = join(this.#folder, 'line')
    const source = fileURLToPath(new URL('line.c', import.meta.url))
    execFileSync('gcc', ['-O2', '-o', bin, source], { stdio: ['ignore', 'inherit', 'inherit'] })
    for (const end of ENDS) execFileSync('ip', ['netns', 'add', this.#name(end)])
    this.#line = spawn(
      bin,
      ENDS.map((end) => this.#name(end)),
      { stdio: ['pipe', 'pipe', 'inherit'] },
    )
    if (this.#line.stdout === null) throw new Error('the line has no output')
    this.#answers = createInterface({ input: this.#line.stdout })[Symbol.asyncIterator]()
    await this.#answer()
    for (const end of ENDS) this.#join(end)
  }

  /** Changes the line: `rtt` in ms, `loss` in percent on the way home. */
  async set(name: 'rtt' | 'loss', value: number): Promise<void> {
    await this.#order(`${name} ${value}`)
  }

  /** Bytes of packets that were put on the line, to abroad and to home, since the last time. */
  async takeBytes(): Promise<{ up: number; down: number }> {
    const [up = 0, down = 0] = (await this.#order('bytes')).split(' ').map(Number)
    return { up, down }
  }

  /** Resets every connection that crosses the line, at both ends at once. */
  reset(): void {
    for (const end of ENDS) {
      const other = ADDRESS[end === 'home' ? 'abroad' : 'home']
      this.#in(end, ['ss', '-HKtn', 'dst', other])
    }
  }

  /** Starts a program at one end. */
  spawn(end: End, argv: readonly string[], options: SpawnOptions): ChildProcess {
    return spawn('ip', ['netns', 'exec', this.#name(end), ...argv], options)
  }

  /** Ends the line and takes the namespaces away. */
  down(): void {
    this.#line?.kill('SIGKILL')
    for (const end of ENDS) {
      try {
        execFileSync('ip', ['netns', 'del', this.#name(end)], { stdio: 'ignore' })
      } catch {
        // It was never made.
      }
    }
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #join(end: End): void {
    const other = ADDRESS[end === 'home' ? 'abroad' : 'home']
    this.#in(end, ['ip', 'link', 'set', 'lo', 'up'])
    this.#in(end, ['ip', 'link', 'set', 'wan0', 'mtu', '1500', 'txqueuelen', '10000', 'up'])
    this.#in(end, ['ip', 'addr', 'add', `${ADDRESS[end]}/32`, 'dev', 'wan0'])
    this.#in(end, ['ip', 'route', 'add', other, 'dev', 'wan0', 'src', ADDRESS[end], 'congctl', CONGESTION[end]])
    // What deploy/scripts/kernel sets.
    this.#in(end, ['sysctl', '-qw', 'net.ipv4.tcp_slow_start_after_idle=0', 'net.ipv4.tcp_no_metrics_save=1'])
  }

  #in(end: End, argv: readonly string[]): void {
    execFileSync('ip', ['netns', 'exec', this.#name(end), ...argv], { stdio: ['ignore', 'ignore', 'inherit'] })
  }

  #name(end: End): string {
    return `${this.#id}-${end}`
  }

  async #order(text: string): Promise<string> {
    this.#line?.stdin?.write(`${text}\n`)
    return await this.#answer()
  }

  async #answer(): Promise<string> {
    const line = await this.#answers?.next()
    if (line === undefined || line.done) throw new Error('the line ended')
    return line.value
  }
}

const ENDS: readonly End[] = ['home', 'abroad']
