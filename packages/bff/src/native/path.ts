import { FerryError } from '@llm-ferry/sdk'

/** What a native request asks the vendor for. */
export interface NativePath {
  readonly vendor: string
  /** Below the vendor's name, as the caller wrote it, without a leading slash. */
  readonly path: string
  /** The path without its version, by which operations are known. */
  readonly operation: string
  /** Without the `?`; empty for none. */
  readonly query: string
}

const PREFIX = /^\/proxy\/([^/?]+)\/+([^?]*)\??(.*)$/s
const VERSION = /^(v\d+[a-z0-9]*)(?:\/|$)/
const UNVERSIONED_ROOTS = /^(?:upload|download|ws)\//

/**
 * Reads `/proxy/{vendor}/{path}`.
 *
 * @throws {FerryError} `invalid_request` for paths that could mean something else to the vendor than to us.
 */
export function nativePath(requestTarget: string): NativePath {
  const [, vendor = '', rawPath = '', query = ''] = PREFIX.exec(requestTarget) ?? []
  // Base URLs that end in a slash.
  const path = rawPath.replace(/\/{2,}/g, '/')
  refuseDisguises(path)
  return { vendor, path, operation: withoutVersion(path), query }
}

/** Some servers decode a path more than once before they read it. */
function refuseDisguises(path: string): void {
  let decoded = path
  for (let round = 0; round < 4 && decoded.includes('%'); round++) {
    decoded = decoded.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  }
  const hidden = /%(?:25)*(?:2f|3f|23|5c)/i.test(path)
  const dots = decoded.split('/').some((segment) => /^\.\.?(;|$)/.test(segment))
  if (hidden || dots || /[\\#]|[^\x21-\x7e]/.test(path) || /\\|\p{Cc}/u.test(decoded)) {
    throw new FerryError('invalid_request', 'The path contains what a path of this vendor never has')
  }
}

/** A version given twice, because base URL and SDK both bring it, counts once. */
function withoutVersion(path: string): string {
  const version = VERSION.exec(path)?.[1]
  if (version === undefined) return path
  const below = path.slice(version.length + 1)
  return below === version || below.startsWith(`${version}/`) ? withoutVersion(below) : below
}

/** The vendor's operation that a route of ours stands for. */
export function operationPath(operation: string, requestTarget: string): NativePath {
  const mark = requestTarget.indexOf('?')
  return { vendor: '', path: operation, operation, query: mark === -1 ? '' : requestTarget.slice(mark + 1) }
}

/** The path from the origin of a vendor that is called directly; a relay puts versions in front itself. */
export function directPath({ path, operation }: NativePath, defaultVersion: string): string {
  const version = VERSION.exec(path)?.[1]
  if (version === undefined && UNVERSIONED_ROOTS.test(path)) return path
  return `${version ?? defaultVersion}/${operation}`
}
