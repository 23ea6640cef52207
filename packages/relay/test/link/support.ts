import { hash, randomBytes } from 'node:crypto'
import { type Frame, FrameDecoder } from '@llm-ferry/sdk/link/wire'
import { DIALECTS, json, sse } from '../../../../test/testkit/dialects.ts'
import { afterBody, delay, type ScriptedVendor, type Step } from '../../../../test/testkit/scripted-vendor.ts'
import { RELAY_TOKEN } from '../../../../test/testkit/services.ts'

export const dialect = DIALECTS.openai
/** The whole streamed body as the vendor encodes it. */
export const STREAM: Buffer = Buffer.concat(dialect.stream)

export const newId = (): string => `conv.${randomBytes(16).toString('hex')}`
const digestOf = (body: string): string => hash('sha256', body)

export interface Ask {
  readonly offset?: number
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly token?: string
  readonly signal?: AbortSignal
  readonly path?: string
}

/** Sends one carrier. Without a body it is a resume and names the stream's digest. */
export function carry(origin: string, id: string, { offset, body, headers, token, signal, path }: Ask = {}) {
  return fetch(`${origin}/proxy/openai${path ?? dialect.streamPath}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token ?? RELAY_TOKEN}`,
      'content-type': 'application/json',
      'x-ferry-exchange': id,
      'x-ferry-frames': '1',
      ...(offset === undefined ? {} : { 'x-ferry-offset': String(offset) }),
      ...(body === undefined ? { 'x-ferry-digest': digestOf(dialect.streamBody) } : {}),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
    ...(signal === undefined ? {} : { signal }),
  })
}

export const begin = (origin: string, id: string, ask: Ask = {}) =>
  carry(origin, id, { body: dialect.streamBody, ...ask })

export const cancel = (origin: string, id: string, headers: Readonly<Record<string, string>> = {}) =>
  fetch(`${origin}/exchanges/${id}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${RELAY_TOKEN}`, ...headers },
  })

/** All frames of an answer, up to its end or `until`. */
export async function readFrames(response: Response, until: (frames: Frame[]) => boolean = () => false) {
  const decoder = new FrameDecoder()
  const frames: Frame[] = []
  if (response.body === null) return frames
  for await (const piece of response.body) {
    frames.push(...decoder.push(Buffer.from(piece)))
    if (until(frames)) break
  }
  return frames
}

export const dataOf = (frames: readonly Frame[]): Buffer =>
  Buffer.concat(frames.map((frame) => (frame.type === 'data' ? frame.bytes : Buffer.alloc(0))))

export const typesOf = (frames: readonly Frame[]): string[] =>
  frames.map(({ type }) => type).filter((type, index, all) => type !== all[index - 1])

/** What the relay refused with. */
export async function refusalOf(response: Response) {
  await response.text()
  return {
    status: response.status,
    code: response.headers.get('x-ferry-error'),
    reached: response.headers.get('x-ferry-reached'),
  }
}

/** Lets the vendor stream with pauses between events. */
export function streamSlowly(vendor: ScriptedVendor, pauseMs: number): void {
  vendor.script = afterBody(() => {
    const [head = delay(0), ...rest] = sse(dialect.stream)
    return [head, ...rest.flatMap((step: Step) => [delay(pauseMs), step])]
  })
}

/** Answers streams as streams and the rest as JSON. */
export function answer(vendor: ScriptedVendor): void {
  vendor.script = async (request) => {
    await request.complete
    return request.body.includes('"stream":true') ? sse(dialect.stream) : json(dialect.answer)
  }
}
