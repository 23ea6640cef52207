import type { NamedSecret } from '@llm-ferry/kit'
import { digestOf } from './digest.ts'
import type { KeyRecord } from './key.ts'
import type { KeyConfig, KeyRules } from './rules.ts'

/** What holds where nothing is said. */
export const NO_RULES: KeyRules = {
  limits: {},
  tags: [],
  labels: {},
  native: 'stateless',
  keepReasoning: true,
  disabled: false,
}

/** The keys of BFF_KEYS and of FERRY_CONFIG. A name in both has the secrets of both. */
export function configuredKeys(secrets: readonly NamedSecret[], file: ReadonlyMap<string, KeyConfig>): KeyRecord[] {
  const named = new Map(secrets.map(({ name, secret }) => [name, digestOf(secret).toString('hex')]))
  return [...new Set([...named.keys(), ...file.keys()])].map((name): KeyRecord => {
    const { hash = [], ...rules } = file.get(name) ?? { ...NO_RULES }
    const given = named.get(name)
    const digests = [...(given === undefined ? [] : [given]), ...hash.map((text) => text.slice('sha256:'.length))]
    return {
      ...rules,
      id: name,
      name,
      source: given === undefined ? 'file' : 'environment',
      secrets: digests.map((digest) => ({ digest })),
      // Another secret is another key: tokens that its holder minted are not to outlive it.
      generation: digests[0]?.slice(0, 16) ?? '',
    }
  })
}
