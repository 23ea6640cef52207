import type { Variable } from './env.ts'

/** What the border link can compress. */
const NAMES = ['requests', 'differences', 'answers'] as const

/** What the border link compresses. */
export type LinkCompression = Readonly<Record<(typeof NAMES)[number], boolean>>

const only = (names: readonly string[]): LinkCompression => ({
  requests: names.includes('requests'),
  differences: names.includes('differences'),
  answers: names.includes('answers'),
})

const isName = (name: string): boolean => NAMES.some((known) => known === name)

/** LINK_COMPRESSION, which both ends of the link know: names with commas, or `none`. Default: all. */
export const linkCompression: Variable<LinkCompression> & { readonly default: LinkCompression } = {
  default: only(NAMES),
  defaultText: NAMES.join(','),
  doc: 'What the border link compresses, with commas: requests, differences (a conversation’s next request crosses as its difference from the last), answers; or none. A relay without differences keeps no bodies for it, and decodes whatever requests come. SECURITY.md says what lengths can reveal.',
  parse(text) {
    const names = text === 'none' ? [] : text.split(',').map((name) => name.trim())
    if (!names.every(isName)) throw new Error(`must be names out of ${NAMES.join(', ')} with commas, or none`)
    return only(names)
  },
}
