export { createLink, type Link } from './link.ts'
export { exchangeToCancel, isDurable } from './link-request.ts'
