import type {
  ChatChunk,
  ChatCompletion,
  ChatRequest,
  EmbeddingsRequest,
  EmbeddingsResponse,
  FerryError,
  Model,
  Usage,
} from '@llm-ferry/sdk'
import type { NativeDialect } from './native.ts'

/** What an adapter may know of the target besides the request. */
export interface Target {
  /** Configured vendor name, such as `openai` or `deepseek`. */
  readonly vendor: string
  /** The vendor's own name of the model. */
  readonly model: string
  /** Most tokens the model writes; Anthropic needs a number in each request. `undefined`: not known. */
  readonly maxOutputTokens?: number | undefined
  /** When the call was asked, in seconds since 1970, where its answer may have to be made again. Default: now. */
  readonly askedAt?: number | undefined
  /** What an answer without an id of its own is called, where it may have to be made again. Default: a new id. */
  readonly callId?: string | undefined
}

/** One HTTP request in the vendor's own words. The key and the origin are added by whoever sends it. */
export interface WireRequest {
  readonly method: 'POST'
  /** Path from the vendor's origin, version included, no leading slash; may have a query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** JSON value to send. */
  readonly body: unknown
  /** Request fields that this vendor does not know and that were left out. */
  readonly dropped: readonly string[]
}

/** One server-sent event. */
export interface WireEvent {
  readonly event?: string | undefined
  readonly data: string
}

/**
 * Turns one vendor stream into chunks. A reducer: it owns its state and does no I/O.
 *
 * `event` throws a FerryError when the vendor reports an error in mid-stream.
 *
 * A chunk with `usage` and no choices comes last whenever the vendor tells its usage, whether or not the caller asked
 * for it; whoever writes to the caller takes it out when `stream_options.include_usage` is not set.
 */
export interface StreamMapper {
  event(event: WireEvent): ChatChunk[]
  /** The vendor's stream ended. Throws `upstream_truncated` when its terminal marker was not seen. */
  end(): ChatChunk[]
  /** Usage as far as the vendor has told; a lower bound until `end`. `undefined`: not told. */
  usage(): Usage | undefined
  /**
   * Whether the chunk that `event` just returned is the event's `data` as it came, so that the text can be passed on
   * without being written anew.
   */
  readonly verbatim: boolean
}

/** A vendor's error answer, as it came. */
export interface WireError {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Parsed JSON where the body was JSON, else its text. */
  readonly body: unknown
}

/** Embeddings of a dialect that has them. */
export interface EmbeddingsAdapter {
  /** Throws a FerryError (400, `param` set) for what the target cannot do. */
  request(request: EmbeddingsRequest, target: Target): WireRequest
  /** Throws `upstream_invalid` for a body that is no answer. */
  response(body: unknown, request: EmbeddingsRequest, target: Target): EmbeddingsResponse
}

/** A model that an adapter knows. */
export type KnownModel = Omit<Model, 'owned_by' | 'targets'>

/**
 * A dialect: pure mapping between the normalized chat and one vendor's wire format. Everything that does I/O is shared
 * and asks the adapter; it never names a vendor.
 */
export interface VendorAdapter {
  /** Models of the vendor of the dialect's name that are listed without any configuration; ids without the vendor. */
  readonly models: readonly KnownModel[]
  /** Whether a bare model name is one of that vendor's, such as `gpt-…`; known or not. */
  claims(model: string): boolean
  /** Whether an image at this address must be sent as bytes. Absent: the vendor fetches addresses itself. */
  needsBytes?(url: string): boolean
  /** Throws a FerryError (400, `param` set) for what the target cannot do and what may not be dropped. */
  request(request: ChatRequest, target: Target): WireRequest
  /** Throws `upstream_invalid` for a body that is no answer, `upstream_truncated` for one that is cut. */
  response(body: unknown, target: Target): ChatCompletion
  stream(request: ChatRequest, target: Target): StreamMapper
  error(error: WireError, target: Target): FerryError
  /** Absent: the dialect has no embeddings. */
  readonly embeddings?: EmbeddingsAdapter | undefined
  /** What the vendor's own SDKs may call. Absent: the dialect has no native routes. */
  readonly native?: NativeDialect | undefined
}
