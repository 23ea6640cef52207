/** Wire dialects: how a vendor's HTTP interface looks, whatever company serves it. */
export type DialectName = 'openai' | 'anthropic' | 'gemini'

/**
 * A place of a request where a vendor's SDK puts its key. `query` is the parameter `key`; `subprotocol` is
 * `openai-insecure-api-key.KEY` in Sec-WebSocket-Protocol, for browsers, whose WebSockets send no headers.
 */
export type CredentialPlace = 'authorization' | 'x-api-key' | 'api-key' | 'x-goog-api-key' | 'query' | 'subprotocol'

/** Where a vendor expects its key: a header, and what stands before the key in it. */
export interface KeyPlacement {
  /** Header name, lower case. */
  readonly header: string
  /** Text before the key, such as `Bearer `; empty for none. */
  readonly prefix: string
}

/** An error of ours that must read like the vendor's own. */
export interface WireError {
  /** HTTP status of the answer, or the one it would have in a stream whose head is out. */
  readonly status: number
  /** Our stable code, such as `request_too_large`. */
  readonly code: string
  readonly message: string
  /** Id that leads to the logs. */
  readonly requestId: string
}

/** Where in a stream an error event stands. */
export interface StreamPosition {
  /** Path below the version, without the query: `responses`, `models/m:streamGenerateContent`. */
  readonly operation: string
  /** Number that the event carries, in dialects that count them. Default 0. */
  readonly sequence?: number | undefined
}

/** What OpenTelemetry's GenAI conventions call a vendor and its operations. */
export interface GenAiNames {
  /** `gen_ai.provider.name` of the vendor that a dialect is named after. */
  readonly provider: string
  /** Patterns of operations (paths below the version) with their `gen_ai.operation.name`; the first that fits counts. */
  readonly operations: readonly (readonly [pattern: RegExp, name: string])[]
  /** Finds the model, as its first group, in operations that name it. */
  readonly model?: RegExp | undefined
}

/** What differs on the wire between vendors' dialects. Data and pure functions only. */
export interface Dialect {
  readonly name: DialectName
  /** Version that stands before a path without one, such as `v1`. */
  readonly defaultVersion: string
  /** Where the vendor expects its key. */
  readonly key: KeyPlacement
  /** Where callers' SDKs put their credential; any other place is an error. */
  readonly credentialPlaces: readonly CredentialPlace[]
  /** The same for WebSocket upgrades. */
  readonly webSocketPlaces: readonly CredentialPlace[]
  /** Answer header with the vendor's request id, which its SDK shows to users. */
  readonly requestIdHeader: string
  /** Body of an error answer (`application/json`) that the vendor's SDKs turn into their typed errors. */
  errorBody(error: WireError): string
  /** Event that the vendor's SDKs turn into an exception within a stream. */
  errorEvent(error: WireError, position: StreamPosition): string
  /** Operations that leave nothing in the vendor's account, so that any key of a pool may serve them. */
  readonly stateless: RegExp
  /** Statuses besides 401 with which the vendor may refuse our key; {@link keyFault} decides. */
  readonly keyFaultStatuses: readonly number[]
  /** Whether an error body with one of those statuses is about the key, not about the request. */
  readonly keyFault: RegExp
  /** Answer headers that hold an absolute URL which the caller's SDK follows. */
  readonly urlHeaders: readonly string[]
  /** JSON answers with a field that holds such a URL. */
  readonly urlField?: { readonly operation: RegExp; readonly name: string } | undefined
  readonly genAi: GenAiNames
}
