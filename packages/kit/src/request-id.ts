import { randomFillSync } from 'node:crypto'

const ID_BYTES = 16
const pool = Buffer.allocUnsafeSlow(256 * ID_BYTES)
let used = pool.length

/** A name for one request: `req_` and 128 random bits, which cost a system call only every 256th time. */
export function newRequestId(): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += ID_BYTES
  return `req_${pool.toString('hex', used - ID_BYTES, used)}`
}
