import { request } from 'node:http'
import { join } from 'node:path'
import { Unavailable } from './peers.ts'
import { type Running, startServer } from './processes.ts'
import { CALLER_TOKEN, type Rig, VENDOR_KEY } from './rig.ts'
import { type Ask, type Order, PROBE, type Shape, type Target } from './targets/target.ts'

/** A target that runs and answers as it should. */
export interface Started {
  readonly target: Target
  readonly port: number
  /** Absent for the vendor itself. */
  readonly server: Running | undefined
}

/**
 * Starts a target and looks whether it answers rightly, since an error is quickly made and would look like speed.
 *
 * @param more further arguments and variables for targets that run on Node.
 * @returns undefined for a peer that cannot be had here.
 */
export async function startTarget(
  rig: Rig,
  target: Target,
  port: number,
  more: { readonly nodeArgs?: readonly string[]; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Started | undefined> {
  try {
    const command = target.prepare(rig, port)
    if (command === undefined) return { target, port: rig.vendorPort, server: undefined }
    const isNode = command.file === process.execPath
    const args = isNode ? [...(more.nodeArgs ?? []), ...command.args] : command.args
    const env = { ...command.env, ...more.env }
    const log = join(rig.run, `${target.name}.log`)
    const options = { port, log, core: rig.cores?.target, startMs: target.startMs }
    const started = { target, port, server: await startServer({ ...command, args, env }, options) }
    await target.configure?.(rig, port)
    await check(rig, started)
    return started
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    console.error(`bench: without ${target.name}: ${error.message}`)
    return undefined
  }
}

async function check(rig: Rig, { target, port }: Started): Promise<void> {
  for (const shape of ['openai', 'anthropic', 'gemini'] satisfies Shape[]) {
    const order: Order = { ...PROBE, shape, stream: false }
    const plain = await post(port, target.ask(order, rig))
    require(plain.includes('A reverse proxy sits'), target, shape, plain)
    const seen = await get(rig.vendorPort, '/__last')
    require(seen.includes(VENDOR_KEY), target, shape, `the vendor's key is not in ${seen}`)
    if (target.swapsKey) require(!seen.includes(CALLER_TOKEN), target, shape, `the caller's token is in ${seen}`)
    const stream = await post(port, target.ask({ ...order, stream: true }, rig))
    require(stream.match(/T\d{16}/g)?.length === PROBE.events, target, shape, stream)
  }
}

function require(right: boolean, target: Target, shape: Shape, what: string): void {
  if (!right) throw new Error(`${target.name} answers ${shape} wrongly: ${what.slice(0, 600)}`)
}

const post = (port: number, { path, headers, body }: Ask): Promise<string> =>
  exchange(port, 'POST', path, { 'content-type': 'application/json', ...headers }, body)

const get = (port: number, path: string): Promise<string> => exchange(port, 'GET', path, {}, '')

function exchange(
  port: number,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, method, path, headers, agent: false, timeout: 20_000 }
    const call = request(options, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
      })
      answer.once('end', () => resolve(`${answer.statusCode} ${text}`))
      answer.once('error', reject)
    })
    call.once('error', reject)
    call.once('timeout', () => call.destroy(new Error(`no answer on ${path}`)))
    call.end(body)
  })
}
