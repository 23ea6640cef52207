/**
 * What a voice should say for a piece of an answer: Markdown without its marks, links as their text, addresses as their
 * host, no emoji. '' when nothing in it can be said. A mark whose other half lies in another piece is removed as well.
 */
export function speakable(raw: string): string {
  let text = raw
  for (const [pattern, replacement] of RULES) text = text.replace(pattern, replacement)
  return /[\p{L}\p{N}]/u.test(text) ? text.trim() : ''
}

const ADDRESS = /\bhttps?:\/\/(?:www\.)?([a-z0-9.-]*[a-z0-9])(?::\d+)?(?:[/?#][\w\-.~:/?#[\]@!$&'*+,;=%]*[\w/=&%#])?/gi

const RULES: readonly (readonly [RegExp, string])[] = [
  // Line starts: rules and table borders, quotes, headings, bullets, check boxes.
  [/^[ \t]*(?:[-*_][ \t]*){3,}$/gm, ''],
  [/^[ \t]*\|?(?:[ \t]*:?-{2,}:?[ \t]*\|?)+[ \t]*$/gm, ''],
  [/^(?:[ \t]*>)+[ \t]?/gm, ''],
  [/^[ \t]*#{1,6}[ \t]+/gm, ''],
  [/^[ \t]*[-*+•][ \t]+(?:\[[ xX]\][ \t]+)?/gm, ''],
  // Table cells.
  [/^[ \t]*\|[ \t]*|[ \t]*\|[ \t]*$/gm, ''],
  [/[ \t]+\|[ \t]+/g, ', '],
  // Links, images, footnotes, tags; then what is left of links that were cut.
  [/!?\[([^\]]*)\]\([^)]*\)/g, '$1'],
  [/\]\([^)]*\)/g, ''],
  [/\[\^?\d+\]/g, ''],
  [/<(https?:\/\/[^>\s]+)>/gi, '$1'],
  [/<\/?[a-z][^<>]*>/gi, ''],
  [ADDRESS, '$1'],
  [/!?\[|\]/g, ''],
  // Emphasis and code marks, but not a product (3 * 4) or a name (snake_case).
  [/`+/g, ''],
  [/~~/g, ''],
  [/(?<!\s)\*+|\*+(?!\s|\*)/g, ''],
  [/(?<![\p{L}\p{N}])_+(?=\S)|(?<=\S)_+(?![\p{L}\p{N}_])/gu, ''],
  // Emoji, with what joins and colours them. ©, ® and ™ are read.
  [/(?![©®™])\p{Extended_Pictographic}|\p{Regional_Indicator}|\p{Emoji_Modifier}|\u200d|\ufe0f|\u20e3/gu, ''],
  [/\s+/g, ' '],
]
