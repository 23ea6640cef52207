/** Rows under their names, in columns as wide as what stands in them. Numbers stand at the right. */
export function table(columns: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const cells = [columns.map((name) => name.toUpperCase()), ...rows.map((row) => row.map(cell))]
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => width(row[i] ?? ''))))
  const isNumber = columns.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === 'number'))
  const lines = cells.map((row) =>
    row
      .map((text, i) => {
        const space = ' '.repeat((widths[i] ?? 0) - width(text))
        return isNumber[i] ? space + text : text + space
      })
      .join('  ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}

// What a terminal would take for a command of its own must not come from a name.
const cell = (value: unknown): string => String(value ?? '').replace(/\p{Cc}/gu, '?')

/** Places that a terminal gives a text: two for each Chinese, Japanese or Korean character. */
function width(text: string): number {
  let places = 0
  for (const char of text)
    places += /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/.test(char)
      ? 2
      : 1
  return places
}
