export { FerryError, type FerryErrorOptions } from './errors.ts'
export { ERRORS, type ErrorCode, type ErrorSpec, isErrorCode } from './schema/errors.ts'
export { HEADERS } from './schema/headers.ts'
