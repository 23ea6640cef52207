import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { RELAY_TOKEN, relayEnv } from '../../testkit/services.ts'
import { findProgram, ROOT } from '../rig.ts'
import type { Way } from './script.ts'
import { ADDRESS, type End, type Wan } from './wan.ts'

const PORTS = { vendor: 4000, nginx: 4001, relay: 4002, bff: 4003, metrics: 4010 }
const BFF_KEY = 'bench-link-key-0123456789abcdef'
const NODE = [process.execPath, '--disable-warning=ExperimentalWarning', '--conditions=ferry-source']

/** Where a client at home finds each way, and what it calls with. */
export const WAYS: Readonly<Record<Way, { readonly baseUrl: string; readonly key: string }>> = {
  nginx: { baseUrl: `http://${ADDRESS.abroad}:${PORTS.nginx}/v1`, key: 'any' },
  relay: { baseUrl: `http://${ADDRESS.abroad}:${PORTS.relay}/proxy/openai/v1`, key: RELAY_TOKEN },
  link: { baseUrl: `http://${ADDRESS.abroad}:${PORTS.relay}/proxy/openai/v1`, key: RELAY_TOKEN },
  bff: { baseUrl: `http://127.0.0.1:${PORTS.bff}/v1`, key: BFF_KEY },
}

/** Vendor, nginx and relay abroad, BFF at home. */
export class Services {
  readonly #wan: Wan
  readonly #folder = mkdtempSync(join(tmpdir(), 'ferry-link-bench-'))
  readonly #children: ChildProcess[] = []

  constructor(wan: Wan) {
    this.#wan = wan
  }

  async start(): Promise<void> {
    this.#run('abroad', [...NODE, 'test/bench/link/vendor.ts'], { PORT: String(PORTS.vendor) })
    this.#run('abroad', [findProgram('nginx') ?? 'nginx', '-p', this.#folder, '-c', this.#nginxFile()], {})
    this.#run('abroad', [...NODE, 'packages/relay/src/main.ts'], {
      ...relayEnv(`http://127.0.0.1:${PORTS.vendor}`),
      PORT: String(PORTS.relay),
      METRICS_PORT: String(PORTS.metrics),
      EXCHANGE_MARKERS_DIR: join(this.#folder, 'markers'),
      LOG_LEVEL: 'warn',
    })
    this.#run('home', [...NODE, 'packages/bff/src/main.ts'], {
      BFF_KEYS: `bench:${BFF_KEY}`,
      RELAY_URLS: `http://${ADDRESS.abroad}:${PORTS.relay}`,
      RELAY_TOKEN,
      PORT: String(PORTS.bff),
      METRICS_PORT: String(PORTS.metrics),
      REQUEST_TIMEOUT_MS: '60000',
      RATE_LIMIT_RPM: '100000',
      DAILY_QUOTA: '1000000',
      KEY_RATE_LIMIT_RPM: '100000',
      KEY_DAILY_QUOTA: '1000000',
      LOG_LEVEL: 'warn',
    })
    await this.#ready('abroad', `http://127.0.0.1:${PORTS.vendor}/calls`)
    await this.#ready('abroad', `http://127.0.0.1:${PORTS.nginx}/calls`)
    await this.#ready('abroad', `http://127.0.0.1:${PORTS.relay}/ready`)
    await this.#ready('home', `http://127.0.0.1:${PORTS.bff}/ready`)
  }

  /** How often the vendor was called for each call since the last time. */
  async calls(): Promise<ReadonlyMap<string, number>> {
    return new Map(
      JSON.parse(await this.#get('abroad', `http://127.0.0.1:${PORTS.vendor}/calls`)) as [string, number][],
    )
  }

  stop(): void {
    for (const child of this.#children) child.kill('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #run(end: End, argv: readonly string[], env: Readonly<Record<string, string>>): void {
    const child = this.#wan.spawn(end, argv, {
      cwd: ROOT,
      env: { PATH: process.env.PATH, HOST: '0.0.0.0', ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    this.#children.push(child)
  }

  async #ready(end: End, url: string): Promise<void> {
    for (let i = 0; i < 100; i++) {
      if ((await this.#get(end, url).catch(() => '')) !== '') return
      await sleep(200)
    }
    throw new Error(`${url} did not answer`)
  }

  #get(end: End, url: string): Promise<string> {
    const script = `fetch(${JSON.stringify(url)}).then(async (r) => { if (!r.ok) process.exit(1); console.log(await r.text()) }, () => process.exit(1))`
    const child = this.#wan.spawn(end, [process.execPath, '-e', script], { stdio: ['ignore', 'pipe', 'ignore'] })
    let text = ''
    child.stdout?.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
    })
    return new Promise((resolve, reject) => {
      child.on('close', (code) => (code === 0 ? resolve(text) : reject(new Error(url))))
    })
  }

  /** A relay as many run one: nginx that puts the key in. */
  #nginxFile(): string {
    const file = join(this.#folder, 'nginx.conf')
    writeFileSync(
      file,
      `daemon off; master_process off; pid nginx.pid; error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  client_max_body_size 10m; keepalive_timeout 600s;
  upstream vendor { server 127.0.0.1:${PORTS.vendor}; keepalive 64; }
  server {
    listen ${PORTS.nginx};
    location / {
      proxy_pass http://vendor; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer vendor-key"; proxy_buffering off; proxy_read_timeout 600s;
    }
  }
}
`,
    )
    return file
  }
}
