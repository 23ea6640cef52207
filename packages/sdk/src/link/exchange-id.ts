import { createHmac, randomBytes } from 'node:crypto'

/** A new exchange's id. Its affinity leads a proxy in front of several relay processes to the same one each time. */
export const newExchangeId = (affinity: string): string => `${affinity}.${randomBytes(18).toString('base64url')}`

/** The affinity of whatever should meet the same relay process: a conversation, or a credential. It tells nothing of it. */
export const affinityOf = (text: string): string =>
  createHmac('sha256', text).update('x-ferry-exchange').digest('base64url').slice(0, 16)
