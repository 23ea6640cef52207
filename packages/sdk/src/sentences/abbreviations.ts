const TITLES = 'mr mrs ms mx dr prof sr jr st mt rev gen col sgt capt lt hon pres gov sen rep messrs mme'
const WORDS =
  'e.g i.e cf vs viz al approx ca est dept univ resp incl excl ave blvd rd jan feb mar apr jun jul aug sep sept oct nov dec'
const BEFORE_NUMBERS = 'no nos fig figs vol vols pp p ch sec eq art ref ed tab'

const words = (list: string): ReadonlySet<string> => new Set(list.split(' '))
const NEVER_LAST = words(`${TITLES} ${WORDS}`)
const BEFORE_NUMBER = words(BEFORE_NUMBERS)

const HAN = /\p{Script=Han}/u

/** Whether the full stop after `before` belongs to an abbreviation, an initial or the number of a list, not an end. */
export function isAbbreviation(before: string, next: string | undefined): boolean {
  if (/^[\s>*_#-]*\d{1,3}$/.test(before)) return true
  const last = /(?:^|[\s\p{P}\p{Script=Han}])((?:\p{L}+\.)*\p{L}+)$/u.exec(before)?.[1]?.toLowerCase() ?? ''
  if (/^\p{L}(?:\.\p{L})+$/u.test(last)) return true
  // `I.` does end sentences: “So do I. You?”
  if (last.length === 1 && last !== 'i' && !HAN.test(last)) return next === undefined || !HAN.test(next)
  return NEVER_LAST.has(last) || (BEFORE_NUMBER.has(last) && next !== undefined && /\d/.test(next))
}
