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
export { choosePacking, MAX_PACKED_BYTES, Packer, type Packing, understoodPackings } from './packing.ts'
