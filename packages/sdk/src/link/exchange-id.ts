import { randomBytes } from 'node:crypto'

const random = (bytes: number): string => randomBytes(bytes).toString('base64url')

/** A new exchange's id. Its affinity leads a proxy in front of several relay processes to the same one each time. */
export const newExchangeId = (affinity: string = random(9)): string => `${affinity}.${random(18)}`
