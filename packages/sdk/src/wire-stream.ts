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
      const texts = await pull().catch((error: unknown) => {
        controller.enqueue(write([JSON.stringify(errorBody(error))]))
        controller.close()
        return []
      })
      if (texts && texts.length > 0) return controller.enqueue(write(texts))
      if (texts) return
      controller.enqueue(write(['[DONE]']))
      controller.close()
    },
    cancel,
  })
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
