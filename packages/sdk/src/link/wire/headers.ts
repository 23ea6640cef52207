/** Headers of the border link, lower case. docs/link.md says what each means. */
export const LINK_HEADERS = {
  /** Request: id of the exchange, {@link EXCHANGE_ID}; makes the request durable. */
  exchange: 'x-ferry-exchange',
  /** Request: attach and go on at this byte of the vendor's body. */
  offset: 'x-ferry-offset',
  /** Request: SHA-256 of the decoded body, hexadecimal. */
  digest: 'x-ferry-digest',
  /** Request: whose exchange it is, beyond the relay token. */
  scope: 'x-ferry-scope',
  /** Request: how the link has encoded the body, a {@link LinkEncoding}. Content-Encoding belongs to the caller. */
  encoding: 'x-ferry-encoding',
  /** Request: SHA-256 of the body that the encoding `zstd-dictionary` builds on. */
  dictionary: 'x-ferry-dictionary',
  /** Request: `1` asks to keep the body for later ones to build on; answer: `1` says that it is kept. */
  keep: 'x-ferry-keep',
  /** Request and answer: `1` for an answer in frames. */
  frames: 'x-ferry-frames',
  /** Request: packings of frames that the caller understands, best first; answer: the one in use. */
  pack: 'x-ferry-pack',
  /** Answer: longest silence between two frames, in ms. */
  heartbeat: 'x-ferry-heartbeat',
} as const

/** An exchange's id: AFFINITY.RANDOM, RANDOM of 128 bits at least. */
export const EXCHANGE_ID: RegExp = /^[A-Za-z0-9_-]{1,64}\.[A-Za-z0-9_-]{22,128}$/

/** SHA-256 in hexadecimal. */
export const DIGEST: RegExp = /^[0-9a-f]{64}$/i

const ENCODINGS = ['zstd', 'gzip', 'zstd-dictionary'] as const

/** How a body crosses the link. */
export type LinkEncoding = (typeof ENCODINGS)[number]

/** Whether `value` is a {@link LinkEncoding}. */
export const isLinkEncoding = (value: string): value is LinkEncoding => ENCODINGS.some((known) => known === value)

/** Largest window that a decoder grants, as a power of two: 16 MiB. */
export const MAX_WINDOW_LOG = 24
