/**
 * What an unfinished JSON text says so far: strings, lists and objects that are open are closed, and what is not yet to
 * be told (half a key, half a number, half an escape) is left out. undefined when nothing is.
 */
export function parsePartialJson(text: string): unknown {
  return new PartialParser(text).parse()
}

type Value = { readonly value: unknown; readonly complete: boolean } | undefined

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}
const LITERALS: Readonly<Record<string, unknown>> = { true: true, false: false, null: null }

class PartialParser {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  parse(): unknown {
    return this.#value()?.value
  }

  #value(): Value {
    this.#blanks()
    const char = this.#text[this.#at]
    if (char === '{') return this.#object()
    if (char === '[') return this.#array()
    if (char === '"') return this.#string()
    return this.#plain()
  }

  #object(): Value {
    const value: Record<string, unknown> = {}
    this.#at++
    for (;;) {
      this.#skip(',')
      if (this.#take('}')) return { value, complete: true }
      const key = this.#text[this.#at] === '"' ? this.#string() : undefined
      if (!key?.complete) return { value, complete: false }
      this.#skip(':')
      const field = this.#value()
      if (!field) return { value, complete: false }
      // JSON may name a field `__proto__`; an assignment would set the prototype.
      const slot = { value: field.value, enumerable: true, configurable: true, writable: true }
      Object.defineProperty(value, String(key.value), slot)
      if (!field.complete) return { value, complete: false }
    }
  }

  #array(): Value {
    const value: unknown[] = []
    this.#at++
    for (;;) {
      this.#skip(',')
      if (this.#take(']')) return { value, complete: true }
      const item = this.#value()
      if (!item) return { value, complete: false }
      value.push(item.value)
      if (!item.complete) return { value, complete: false }
    }
  }

  #string(): Value {
    let value = ''
    this.#at++
    while (this.#at < this.#text.length) {
      const char = this.#text.charAt(this.#at++)
      if (char === '"') return { value, complete: true }
      if (char !== '\\') value += char
      else {
        const escaped = this.#escape()
        if (escaped === undefined) break
        value += escaped
      }
    }
    // Half of a character that takes two is no text yet.
    return { value: value.replace(/[\ud800-\udbff]$/, ''), complete: false }
  }

  #escape(): string | undefined {
    const char = this.#text[this.#at++] ?? ''
    if (char !== 'u') return ESCAPES[char]
    const code = /^[0-9a-f]{4}/i.exec(this.#text.slice(this.#at, this.#at + 4))?.[0]
    this.#at += 4
    return code && String.fromCharCode(Number.parseInt(code, 16))
  }

  // A number may go on until something else follows.
  #plain(): Value {
    const [word = ''] = /^[-+.\w]*/.exec(this.#text.slice(this.#at, this.#at + 400)) ?? []
    this.#at += word.length
    if (word === '' || this.#at === this.#text.length) return undefined
    if (Object.hasOwn(LITERALS, word)) return { value: LITERALS[word], complete: true }
    const number = Number(word)
    return Number.isNaN(number) ? undefined : { value: number, complete: true }
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false
    this.#at++
    return true
  }

  #skip(char: string): void {
    this.#blanks()
    if (this.#take(char)) this.#blanks()
  }

  #blanks(): void {
    while (/\s/.test(this.#text.charAt(this.#at))) this.#at++
  }
}
