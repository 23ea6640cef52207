import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { wrongUse } from './command.ts'

/** Options that every command which asks a server takes. */
export const SERVER_OPTIONS = {
  url: { type: 'string' },
  'token-file': { type: 'string' },
  json: { type: 'boolean' },
} as const satisfies ParseArgsOptionsConfig

/** Their part of a command's help. */
export const SERVER_HELP = `  --url URL            address of the BFF's admin API; default FERRY_URL, else http://127.0.0.1:8080
  --token-file FILE    file with the admin token; default BFF_ADMIN_TOKEN, or BFF_ADMIN_TOKEN_FILE
  --json               print what the server answered`

/** Reads a command's arguments. @throws {CliError} for what is not known. */
export function readArguments<const O extends ParseArgsOptionsConfig>(args: readonly string[], options: O) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (error) {
    throw wrongUse((error as Error).message)
  }
}

/** `name=value` options as an object. */
export function pairs(option: string, values: readonly string[] | undefined): Record<string, string> | undefined {
  if (values === undefined) return undefined
  return Object.fromEntries(
    values.map((text) => {
      const at = text.indexOf('=')
      if (at < 1) throw wrongUse(`--${option} ${text}: must be NAME=VALUE`)
      return [text.slice(0, at), text.slice(at + 1)]
    }),
  )
}
