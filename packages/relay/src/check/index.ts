import { type Check, checkYaml, secretFileWarnings } from '@llm-ferry/kit'
import { inspectRelayConfig, type RelayConfig, relayVariables } from '../config.ts'
import { relayWarnings, storageFaults } from './warnings.ts'

/** Looks at a relay's configuration: `npm run relay -- --check`. */
export const checkRelay: Check = ({ env }) => {
  const { faults, config, path } = inspectRelayConfig(env)
  const { fields, secrets, warnings, written } = checkYaml(path)
  const named = written.filter(({ field }) => field.endsWith('_file')).map(({ text }) => text)
  return {
    variables: relayVariables,
    faults: [...faults, ...(config ? storageFaults(config) : [])],
    warnings: [...(config ? relayWarnings(config) : []), ...warnings, ...named.flatMap(secretFileWarnings)],
    fields,
    secrets: [...secrets, ...(config ? secretsIn(config) : [])],
  }
}

function secretsIn({ vendors, tokens }: RelayConfig): readonly string[] {
  const all = [...vendors.flatMap(({ keys }) => keys), ...tokens.map(({ token = '' }) => token)]
  return all.filter((text) => text.length >= 6)
}
