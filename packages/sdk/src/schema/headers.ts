/**
 * Header names that LLM Ferry adds to HTTP. Lower case, as Node delivers them.
 *
 * Inbound `x-ferry-*` headers other than {@link HEADERS.user} and {@link HEADERS.timeoutMs} are dropped by the BFF.
 */
export const HEADERS = {
  /** Answer: id of this request in the logs of the hop that answered. */
  requestId: 'x-ferry-request-id',
  /** Answer: code of an error that we made ourselves (a vendor's own errors carry none). */
  error: 'x-ferry-error',
  /** Answer: `no` when the vendor has certainly not seen the request, else `unknown`. */
  reached: 'x-ferry-reached',
  /** Request: end user on whose behalf the key calls. */
  user: 'x-ferry-user',
  /** Request: how long the caller waits, in ms. */
  timeoutMs: 'x-ferry-timeout-ms',
  /** Answer: vendor that served the call. */
  vendor: 'x-ferry-vendor',
  /** Answer: model that served the call, in the vendor's name for it. */
  model: 'x-ferry-model',
  /** Answer: relay that carried the call; absent for a vendor called directly. */
  relay: 'x-ferry-relay',
  /** Answer: attempts made, fallbacks included. */
  attempts: 'x-ferry-attempts',
  /** Answer: `hit` or `miss` when the cache was asked; `Age` then tells how old a hit is, in seconds. */
  cache: 'x-ferry-cache',
  /** Answer to a request with an Idempotency-Key: `new`, `attached`, `taken-over` or `stored`. */
  idempotency: 'x-ferry-idempotency',
  /** Answer: request fields that the target does not know and that were left out, with commas. */
  dropped: 'x-ferry-dropped',
} as const
