const VALID = /^[\w-]+$/

/** A tool call's id in the letters that the vendor allows; the same id always gives the same one. */
export function toolId(id: string): string {
  return VALID.test(id) ? id : `toolu_${Buffer.from(id, 'utf8').toString('base64url')}`
}
