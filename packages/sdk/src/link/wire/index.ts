export {
  type AbortFrame,
  type EndFrame,
  encodeFrame,
  type Frame,
  FrameDecoder,
  FrameError,
  type HeadFrame,
  MAX_FRAME_BYTES,
} from './frames.ts'
export {
  DIGEST,
  EXCHANGE_ID,
  isLinkEncoding,
  LINK_HEADERS,
  type LinkEncoding,
  MAX_WINDOW_LOG,
} from './headers.ts'
export {
  isKeepable,
  KeptBodies,
  type KeptBodiesLimits,
  type KeptBody,
  LEAST_KEPT_BODY_BYTES,
  MAX_KEPT_BODY_BYTES,
} from './kept-bodies.ts'
export { choosePacking, MAX_PACKED_BYTES, Packer, type Packing, understoodPackings } from './packing.ts'
export { decodeOptions, encodeOptions, hasDictionaries, type ZstdOptions, zstd } from './zstd.ts'
