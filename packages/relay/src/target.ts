import { FerryError } from '@llm-ferry/sdk'

/** What a request-target asks for. */
export interface ProxyTarget {
  readonly vendor: string
  /** Path below the vendor's name, without a leading slash. */
  readonly path: string
  /** Query without the `?`; undefined when there was no `?` at all. */
  readonly query: string | undefined
}

/** Where on the upstream a path leads. */
export interface UpstreamPath {
  /** Absolute path on the upstream's origin. */
  readonly path: string
  /** The path without its version, by which dialects know their operations. */
  readonly operation: string
}

const PREFIX = '/proxy/'

// Anything here needs the slow, careful look; no path of the vendors' SDKs has any of it.
const SUSPECT = /[%\\#]|\/\/|\/\.\.?(?:[/;]|$)|[^\x21-\x7e]/

/**
 * Reads a request-target of the form `/proxy/{vendor}/{path}[?query]`; undefined for any other route.
 *
 * Only the origin form is read: a target that names a host could lead to an origin that nobody configured.
 *
 * @throws {FerryError} `invalid_request` for paths that could mean something else to the upstream than to us.
 */
export function proxyTarget(requestTarget: string): ProxyTarget | undefined {
  if (!requestTarget.startsWith('/')) throw unsafe('The request target must begin with a slash.')
  const mark = requestTarget.indexOf('?')
  const rawPath = mark === -1 ? requestTarget : requestTarget.slice(0, mark)
  const query = mark === -1 ? undefined : requestTarget.slice(mark + 1)
  if (query?.includes('#')) throw unsafe('The request target contains a fragment.')
  const path = SUSPECT.test(rawPath) ? carefulPath(rawPath) : rawPath
  if (!path.startsWith(PREFIX)) return undefined
  const slash = path.indexOf('/', PREFIX.length)
  const vendor = slash === -1 ? path.slice(PREFIX.length) : path.slice(PREFIX.length, slash)
  return { vendor, path: slash === -1 ? '' : path.slice(slash + 1), query }
}

function carefulPath(rawPath: string): string {
  if (/[\\#]|[^\x21-\xff]/.test(rawPath)) throw unsafe('The path contains a character that a URL path cannot have.')
  // Some servers decode twice, so what hides behind %25 counts too.
  const decoded = decodeRepeatedly(rawPath)
  if (/[\\\x7f]|[^ -\u{10ffff}]/u.test(decoded))
    throw unsafe('The path contains an encoded control character or backslash.')
  // With ;parameters, as servlet containers cut them off; and dots in the overlong UTF-8 that old decoders take.
  if (decoded.split('/').some((segment) => /^\.\.?(;|$)/.test(segment)) || /[\xc0\xc1]/.test(decoded)) {
    throw unsafe('The path contains a dot segment.')
  }
  // Live clients whose base URL ends in a slash ask for //ws/...
  return rawPath.replace(/\/{2,}/g, '/')
}

function decodeRepeatedly(path: string): string {
  let decoded = path
  for (let round = 0; round < 4 && decoded.includes('%'); round++) {
    decoded = decoded.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  }
  return decoded
}

const unsafe = (message: string): FerryError => new FerryError('invalid_request', message)

const VERSIONED = /^(v\d+[a-z0-9]*)(?:\/|$)/
const UNVERSIONED_ROOTS = /^(?:upload|download|ws)\//

/**
 * The path on the upstream: a path that names its version, or one of the roots that stand outside the versions, as it
 * is; any other below the vendor's default version. A version given twice (base URL and SDK both add it) counts once.
 *
 * @param prefix path of the configured origin, without a trailing slash.
 * @param version default version, empty for none.
 */
export function upstreamPath(path: string, prefix: string, version: string): UpstreamPath {
  const named = VERSIONED.exec(path)?.[1]
  if (named !== undefined) {
    const below = path.slice(named.length + 1)
    const doubled = below === named || below.startsWith(`${named}/`)
    return doubled ? upstreamPath(below, prefix, version) : { path: `${prefix}/${path}`, operation: below }
  }
  if (version === '' || UNVERSIONED_ROOTS.test(path)) return { path: `${prefix}/${path}`, operation: path }
  return { path: `${prefix}/${version}/${path}`, operation: path }
}
