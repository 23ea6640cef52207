export { createLink } from './link.ts'
export { exchangeToCancel, isDurable } from './link-request.ts'
