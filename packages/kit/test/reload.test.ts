import { mkdtempSync, unwatchFile, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { it } from 'vitest'
import { eventually } from '../../../test/testkit/eventually.ts'
import { createLogger } from '../src/log.ts'
import { reloadOnChange } from '../src/reload.ts'

it('reloads when a file changes, and says why when it cannot', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'relay-reload-')), 'tokens')
  writeFileSync(file, 'a')
  const lines: string[] = []
  let calls = 0
  const reload = (): void => {
    calls++
    if (calls === 2) throw new Error('RELAY_TOKENS is wrong')
  }
  reloadOnChange([file], reload, createLogger('relay', 'info', { write: (line: string) => void lines.push(line) }))
  // The first look at a file happens in the background.
  await sleep(500)
  writeFileSync(file, 'b')
  utimesSync(file, new Date(), new Date(Date.now() + 2000))
  await eventually('first', () => calls === 1, 6000)
  utimesSync(file, new Date(), new Date(Date.now() + 5000))
  await eventually('second', () => lines.join('').includes('RELAY_TOKENS is wrong'), 6000)
  unwatchFile(file)
}, 15_000)
