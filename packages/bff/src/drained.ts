import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { FerryError } from '@llm-ferry/sdk'

/** Waits until the caller has read on. Throws why it will not: it has left, whichever of the socket’s events says so first. */
export async function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  try {
    await once(response, 'drain', { signal })
  } catch (cause) {
    if (FerryError.is(signal.reason)) throw signal.reason
    throw new FerryError('client_closed', 'The caller left before the answer', { cause })
  }
}
