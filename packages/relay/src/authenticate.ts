import type { IncomingMessage } from 'node:http'
import { type CredentialPlace, findCredential } from '@llm-ferry/kit'
import { FerryError } from '@llm-ferry/sdk'
import type { Token, Tokens } from './tokens.ts'

/**
 * The relay token of a request.
 *
 * @param places where the vendor's SDKs put their credential.
 * @throws {FerryError} `authentication_failed` for none, two, one in the wrong place, or an unknown one.
 */
export function authenticate(
  { rawHeaders }: IncomingMessage,
  query: string | undefined,
  places: readonly CredentialPlace[],
  tokens: Tokens,
): Token {
  const found = findCredential(rawHeaders, query ?? '', places)
  if (found.kind === 'fault') throw new FerryError('authentication_failed', found.message)
  const token = tokens.find(found.value)
  if (token === undefined) throw new FerryError('authentication_failed', 'This API key is not known here.')
  return token
}
