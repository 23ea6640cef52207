import { hash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { FileMarkers, MARKER_LIFE_MS } from '../../src/link/markers.ts'

const folder = (): string => mkdtempSync(join(tmpdir(), 'ferry-markers-'))
const name = hash('sha256', 'an exchange')
const files = (path: string): string[] =>
  readdirSync(path).flatMap((shard) => readdirSync(join(path, shard)).map((file) => join(path, shard, file)))

describe('markers', () => {
  test('let one process claim, and every process see it, also after a restart', () => {
    const path = folder()
    const [one, other] = [new FileMarkers(path), new FileMarkers(path)]
    expect(one.look(name)).toBe('free')
    expect(one.claim(name)).toBe(true)
    expect(other.claim(name)).toBe(false)
    expect(other.cancel(name)).toBe(false)
    expect(new FileMarkers(path).look(name)).toBe('claimed')
  })

  test('keep a cancelled name from being claimed', () => {
    const markers = new FileMarkers(folder())
    expect(markers.cancel(name)).toBe(true)
    expect(markers.claim(name)).toBe(false)
    expect(markers.look(name)).toBe('cancelled')
  })

  test('say nothing of what was asked, to nobody else', () => {
    const path = join(folder(), 'new')
    new FileMarkers(path).claim(name)
    const [file = ''] = files(path)
    expect(readFileSync(file, 'utf8')).toBe('')
    expect(statSync(path).mode & 0o077).toBe(0)
  })

  test('of one moment are names of one file, each of them exclusive', async () => {
    const path = folder()
    const [one, other] = [new FileMarkers(path), new FileMarkers(path)]
    const names = Array.from({ length: 50 }, (_, i) => hash('sha256', `exchange ${i}`))
    expect(names.map((each) => one.claim(each))).toEqual(names.map(() => true))
    // A folder of its own for the first two digits has to be made for some of them: these begin a file.
    expect(new Set(files(path).map((file) => statSync(file).ino)).size).toBeLessThan(names.length)
    expect(names.map((each) => other.claim(each))).toEqual(names.map(() => false))
    expect(names.map((each) => one.claim(each))).toEqual(names.map(() => false))
    expect(names.map((each) => other.look(each))).toEqual(names.map(() => 'claimed'))
    await other.sweep(Date.now() + MARKER_LIFE_MS + 1000)
    expect(names.map((each) => one.look(each))).toEqual(names.map(() => 'free'))
    expect(names.map((each) => one.claim(each))).toEqual(names.map(() => true))
  })

  test('do without a file to share when somebody has emptied their folder', () => {
    const path = folder()
    const markers = new FileMarkers(path)
    const [first = '', second = ''] = ['a', 'b'].map((last) => `00${'0'.repeat(61)}${last}`)
    markers.claim(first)
    rmSync(join(path, '00'), { recursive: true })
    expect(markers.claim(second)).toBe(true)
    expect(markers.claim(first)).toBe(true)
    expect(markers.claim(second)).toBe(false)
  })

  test('die after their life, unless they are kept fresh', async () => {
    const path = folder()
    const markers = new FileMarkers(path)
    markers.claim(name)
    await markers.sweep(Date.now() + MARKER_LIFE_MS - 1000)
    expect(files(path)).toHaveLength(1)
    markers.refresh(name)
    await markers.sweep(Date.now() + MARKER_LIFE_MS + 1000)
    expect(files(path)).toHaveLength(0)
    expect(markers.look(name)).toBe('free')
    markers.refresh(name)
  })
})
