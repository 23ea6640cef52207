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
export { DIGEST, EXCHANGE_ID, LINK_HEADERS } from './headers.ts'
