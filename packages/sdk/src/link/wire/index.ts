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
