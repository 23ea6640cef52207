import { readFileSync } from 'node:fs'
import { type CliContext, CliError, EXIT, wrongUse } from './command.ts'

export interface ServerOptions {
  readonly url?: string | undefined
  readonly 'token-file'?: string | undefined
}

const DEFAULT_URL = 'http://127.0.0.1:8080'
/** Longest wait for an answer, in ms. */
const TIMEOUT_MS = 60_000

/** Speaks to the admin API of a BFF. */
export class AdminClient {
  readonly #root: string
  readonly #token: string

  /** @throws {CliError} when there is no token, or no usable address. */
  constructor(options: ServerOptions, { env }: CliContext) {
    this.#root = rootOf(options.url ?? (env.FERRY_URL || DEFAULT_URL))
    this.#token = tokenOf(options['token-file'], env)
  }

  /** An answer as JSON. @throws {CliError} with the server's own words. */
  async json(method: string, path: string, body?: unknown): Promise<unknown> {
    const text = await this.text(method, path, body)
    try {
      return JSON.parse(text)
    } catch (cause) {
      throw new CliError(`The answer of ${this.#root} is not JSON: is the address right?`, EXIT.refused, { cause })
    }
  }

  /** An answer as it is. */
  async text(method: string, path: string, body?: unknown): Promise<string> {
    const response = await this.#send(method, path, body)
    const text = await response.text()
    if (response.ok) return text
    throw new CliError(refusal(response, text, this.#root))
  }

  async #send(method: string, path: string, body: unknown): Promise<Response> {
    try {
      return await fetch(`${this.#root}/admin/v1${path}`, {
        method,
        redirect: 'manual',
        signal: AbortSignal.timeout(TIMEOUT_MS),
        headers: {
          authorization: `Bearer ${this.#token}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
    } catch (cause) {
      const { code } = ((cause as Error).cause ?? {}) as { code?: string }
      const why = code ?? (cause as Error).message
      throw new CliError(`${this.#root} cannot be reached (${why}): check --url`, EXIT.unreached, { cause })
    }
  }
}

function rootOf(url: string): string {
  const parsed = URL.parse(url)
  if (!parsed || !/^https?:$/.test(parsed.protocol)) throw wrongUse(`--url ${url}: must be http:// or https://`)
  return parsed.origin + parsed.pathname.replace(/\/+$/, '').replace(/\/v1$/, '')
}

// Never an argument: those stand in the shell's history and in every process list.
function tokenOf(file: string | undefined, env: CliContext['env']): string {
  const path = file ?? env.BFF_ADMIN_TOKEN_FILE
  const text = file === undefined && env.BFF_ADMIN_TOKEN ? env.BFF_ADMIN_TOKEN : path && readToken(path)
  const [first = ''] = (text ?? '').split(',')
  const token = first.trim()
  if (token === '') throw wrongUse('There is no admin token: set BFF_ADMIN_TOKEN, or name a file with --token-file')
  // The server's own variable may have names in front of its tokens.
  return /^[A-Za-z0-9._-]{1,64}:(.{16,})$/.exec(token)?.[1] ?? token
}

function readToken(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw wrongUse(`${path} cannot be read (${(cause as NodeJS.ErrnoException).code})`)
  }
}

function refusal(response: Response, text: string, root: string): string {
  const error = errorOf(text)
  if (response.status === 404 && !error?.message)
    return `${root} has no admin API: set BFF_ADMIN_TOKEN there, and mind ADMIN_PORT`
  const id = response.headers.get('x-ferry-request-id')
  return `${error?.message ?? `HTTP ${response.status}`}${error?.code ? ` [${error.code}]` : ''}${id ? ` (${id})` : ''}`
}

function errorOf(text: string): { message?: string; code?: string } | undefined {
  try {
    return (JSON.parse(text) as { error?: { message?: string; code?: string } }).error
  } catch {
    return undefined
  }
}
