import { isIP } from 'node:net'
import { z } from 'zod'

/** One entry of the allow list: a host, or with `*.` all hosts below one; at a port. */
export interface AllowedHost {
  /** Lower case, without `*.`. */
  readonly name: string
  readonly isWildcard: boolean
  readonly port: number
}

const NAME = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+[a-z0-9-]*[a-z][a-z0-9-]*$/
const ADVICE = 'must be a host such as img.example.com, *.example.com or img.example.com:8443'

/** A host as the configuration file writes it. Addresses are none: who may be reached is said by name. */
export const allowedHostSchema: z.ZodType<AllowedHost> = z.string().transform((text, context): AllowedHost => {
  const isWildcard = text.startsWith('*.')
  const url = parse(`https://${isWildcard ? text.slice(2) : text}`)
  const name = url?.hostname ?? ''
  const isHost = url !== undefined && url.href === `https://${url.host}/` && isIP(name) === 0 && NAME.test(name)
  if (isHost) return { name, isWildcard, port: Number(url.port || 443) }
  context.addIssue({ code: 'custom', message: ADVICE })
  return z.NEVER
})

function parse(url: string): URL | undefined {
  return URL.canParse(url) ? new URL(url) : undefined
}

/** Whether the list allows the URL's host at its port. */
export function isAllowed({ hostname, port }: URL, allowed: readonly AllowedHost[]): boolean {
  return allowed.some(
    (host) =>
      host.port === Number(port || 443) &&
      (host.isWildcard ? hostname.endsWith(`.${host.name}`) : hostname === host.name),
  )
}
