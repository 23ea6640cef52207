import type { ErrorBody, FerryError } from '@llm-ferry/sdk'
import { LimitRefusal } from './limits/refusal.ts'

const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
  429: 'rate_limit_error',
  499: 'client_closed',
}

/** An error in OpenAI's shape. What the vendor called it, or which limit refused, is kept beside our code. */
export function errorBody(error: FerryError): ErrorBody {
  const type = TYPES[error.status] ?? (error.status < 500 ? 'invalid_request_error' : 'api_error')
  return {
    error: {
      message: error.message,
      type,
      param: error.param ?? null,
      code: error.code,
      ...(error.vendor === undefined ? {} : { vendor: error.vendor }),
      ...(error instanceof LimitRefusal ? { limit: error.details() } : {}),
      ...(error.vendorCode === undefined ? {} : { vendor_code: error.vendorCode }),
    },
  }
}
