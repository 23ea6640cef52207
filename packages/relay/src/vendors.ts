import { DIALECTS, type Dialect, type KeyPlacement } from '@llm-ferry/kit'

/** An upstream as configured: nothing about a vendor that is not here is known to the relay. */
export interface VendorConfig {
  /** Name in /proxy/{name}/…. */
  readonly name: string
  /** Its wire dialect: error shapes, where callers put their credential, which operations keep state. */
  readonly dialect: Dialect
  /** Origin with an optional path prefix; requests never leave it. */
  readonly origin: URL
  /** Version that stands before a path without one; empty for none. */
  readonly version: string
  /** Where the key goes. */
  readonly key: KeyPlacement
  /** Its keys: none (calls get 503), one, or a pool. */
  readonly keys: readonly string[]
  /** What to set when there is no key, for the warning at start. */
  readonly keyHint: string
}

interface BuiltInValues {
  readonly OPENAI_API_KEY?: readonly string[] | undefined
  readonly ANTHROPIC_API_KEY?: readonly string[] | undefined
  readonly GEMINI_API_KEY?: readonly string[] | undefined
  readonly OPENAI_UPSTREAM: URL
  readonly ANTHROPIC_UPSTREAM: URL
  readonly GEMINI_UPSTREAM: URL
}

/** The three vendors that need no configuration file. */
export function builtInVendors(values: BuiltInValues): readonly VendorConfig[] {
  const { openai, anthropic, gemini } = DIALECTS
  return [
    builtIn(openai, values.OPENAI_UPSTREAM, values.OPENAI_API_KEY, 'OPENAI_API_KEY'),
    builtIn(anthropic, values.ANTHROPIC_UPSTREAM, values.ANTHROPIC_API_KEY, 'ANTHROPIC_API_KEY'),
    builtIn(gemini, values.GEMINI_UPSTREAM, values.GEMINI_API_KEY, 'GEMINI_API_KEY'),
  ]
}

function builtIn(dialect: Dialect, origin: URL, keys: readonly string[] = [], keyHint: string): VendorConfig {
  const { name, defaultVersion: version, key } = dialect
  return { name, dialect, origin, version, key, keys, keyHint }
}
