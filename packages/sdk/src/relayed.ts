import type { StreamOrigin } from './chunk-source.ts'
import { FerryError } from './errors.ts'
import { answeredError, requestIdOf } from './failure.ts'
import { lostError } from './network.ts'

const IDLE_MS = 300_000

/** An answer that somebody else fetched, to be read as a stream. */
export function relayedOrigin(response: Response): StreamOrigin {
  return {
    open: () => openRelayed(response),
    retries: 0,
    remainingMs: IDLE_MS,
    options: { idleTimeoutMs: IDLE_MS },
    finish() {},
    cancel(reason) {
      if (!response.body?.locked) void response.body?.cancel(reason).catch(() => undefined)
    },
    fail(error, opened) {
      return FerryError.is(error) || !opened ? error : lostError(error, requestIdOf(opened.headers))
    },
  }
}

async function openRelayed(response: Response): Promise<Response> {
  if (response.ok) return response
  const text = await response.text().catch(() => '')
  throw answeredError(response.status, response.headers, jsonOf(text))
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
