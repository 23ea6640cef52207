// What packing one event costs when many streams take turns, as they do in a relay: each finds the caches cold. A process of
// its own, whose memory nothing else has used.
import { choosePacking, encodeFrame, FrameDecoder, Packer, understoodPackings } from '@llm-ferry/sdk/link/wire'

/** Costs of one packed event: CPU time in µs, what is left of its bytes, and memory of one packer in KiB. */
export interface CodecCost {
  readonly packUs: number
  readonly unpackUs: number
  readonly share: number
  readonly packerKib: number
}

const STREAMS = 200
const EVENTS = 100

const event = (stream: number, at: number): Buffer =>
  Buffer.from(
    `data: {"id":"chatcmpl-${stream}","object":"chat.completion.chunk","created":1764000000,"model":"gpt-x","choices":[{"index":0,"delta":{"content":" word${at}"},"logprobs":null,"finish_reason":null}],"obfuscation":"${(at * 7919).toString(36)}"}\n\n`,
  )

/** Packs and unpacks the events of many streams by turns. */
function measureCodec(): CodecCost {
  const packing = choosePacking(understoodPackings())
  if (packing === undefined) throw new Error('this runtime packs nothing')
  const events = Array.from({ length: STREAMS }, (_, stream) =>
    Array.from({ length: EVENTS }, (_, at) => event(stream, at)),
  )
  const before = process.memoryUsage().rss
  const packers = events.map(() => new Packer(packing))
  const decoders = events.map(() => new FrameDecoder(packing))
  const first = events.map(([piece], i) => frameOf(packers[i], piece))
  const packerKib = (process.memoryUsage().rss - before) / 1024 / STREAMS
  const frames: Buffer[][] = first.map((frame) => [frame])
  const packUs = cpuUs(() => {
    for (let at = 1; at < EVENTS; at++) {
      for (let i = 0; i < STREAMS; i++) frames[i]?.push(frameOf(packers[i], events[i]?.[at]))
    }
  })
  const unpackUs = cpuUs(() => {
    for (let at = 0; at < EVENTS; at++) {
      for (let i = 0; i < STREAMS; i++) decoders[i]?.push(frames[i]?.[at] ?? Buffer.alloc(0))
    }
  })
  for (const each of [...packers, ...decoders]) each.close()
  const each = STREAMS * EVENTS
  return { packUs: packUs / each, unpackUs: unpackUs / each, share: bytes(frames) / bytes(events), packerKib }
}

const frameOf = (packer: Packer | undefined, piece: Buffer | undefined): Buffer =>
  encodeFrame.packedData(piece ?? Buffer.alloc(0), (bytes) => packer?.pack(bytes) ?? bytes)

const bytes = (lists: readonly (readonly Buffer[])[]): number =>
  lists.flat().reduce((sum, each) => sum + each.length, 0)

function cpuUs(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}

process.send?.(measureCodec())
