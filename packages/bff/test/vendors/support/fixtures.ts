import { readdirSync, readFileSync } from 'node:fs'

const FOLDER = new URL('../fixtures/', import.meta.url)

/** Recorded streams of a vendor, by name. */
export function streams(vendor: string): ReadonlyMap<string, Uint8Array> {
  const names = readdirSync(FOLDER).filter((name) => name.startsWith(`${vendor}.`) && name.endsWith('.sse'))
  return new Map(names.map((name) => [name.slice(vendor.length + 1, -'.sse'.length), stream(name)]))
}

export function stream(name: string): Uint8Array {
  return readFileSync(new URL(name, FOLDER))
}

export function json(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(new URL(name, FOLDER), 'utf8'))
}
