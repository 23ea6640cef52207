import { FerryError } from './errors.ts'
import { ERRORS } from './schema/errors.ts'
import type { ErrorBody } from './schema/response.ts'

/** Writes JSON texts as server-sent events: `[DONE]` after a complete stream, an error event and no more after a failure. */
export function toServerSentEvents(
  pull: () => Promise<readonly string[] | undefined>,
  cancel: (reason: unknown) => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder()
  const write = (texts: readonly string[]) => encoder.encode(texts.map((text) => `data: ${text}\n\n`).join(''))
  return new ReadableStream({
    async pull(controller) {
      const { texts, last } = await nextTexts(pull)
      controller.enqueue(write(texts))
      if (last) controller.close()
    },
    cancel,
  })
}

// A `pull` of a ReadableStream that enqueues nothing is not called again, so empty batches are passed over.
async function nextTexts(pull: () => Promise<readonly string[] | undefined>) {
  try {
    for (;;) {
      const texts = await pull()
      if (!texts) return { texts: ['[DONE]'], last: true }
      if (texts.length > 0) return { texts, last: false }
    }
  } catch (error) {
    return { texts: [JSON.stringify(errorBody(error))], last: true }
  }
}

function errorBody(error: unknown): ErrorBody {
  const { code, message, param } = FerryError.is(error)
    ? error
    : new FerryError('client_closed', ERRORS.client_closed.meaning)
  return {
    error: {
      message,
      type: ERRORS[code].status < 500 ? 'invalid_request_error' : 'api_error',
      param: param ?? null,
      code,
    },
  }
}
