import { type Check, certificateWarnings, checkYaml } from '@llm-ferry/kit'
import { bffVariables, inspectConfig } from '../config.ts'
import { fileWarnings } from './file-warnings.ts'
import { storageFaults, variableWarnings } from './variable-warnings.ts'

/** Looks at a BFF's configuration: `npm run bff -- --check`. */
export const checkBff: Check = ({ env }) => {
  const { faults, values, file, config } = inspectConfig(env)
  const { fields, secrets, warnings, written } = checkYaml(values.FERRY_CONFIG)
  const referred = written.flatMap(({ text }) => [...text.matchAll(/\$\{([A-Z0-9_]+)\}/g)].map(([, name = '']) => name))
  return {
    variables: bffVariables,
    faults: [...faults, ...storageFaults(values)],
    warnings: [
      ...variableWarnings(values, file),
      ...certificateWarnings('RELAY_CLIENT_CERT_FILE', config?.clientCertificate),
      ...(file === undefined ? [] : fileWarnings(file, values)),
      ...warnings,
    ],
    fields,
    secrets: [...secrets, ...referred.map((name) => env[name] ?? '').filter((text) => text.length >= 6)],
  }
}
