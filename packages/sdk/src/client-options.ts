import type { FerryOptions } from './options.ts'

// In the global registry, so that a client of another copy of this package is known too.
const OPTIONS = Symbol.for('@llm-ferry/sdk.options')

/** Lets a client be told what it was made of. */
export function withOptions<T extends object>(client: T, options: FerryOptions): T {
  return Object.defineProperty(client, OPTIONS, { value: options })
}

/** What a client was made of; undefined for anything else. */
export function optionsOf(client: object): FerryOptions | undefined {
  return OPTIONS in client ? (client[OPTIONS] as FerryOptions) : undefined
}
