import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { program, type Rig } from './rig.ts'

/** The programs in C, compiled. */
export interface Native {
  /** The mock vendor. */
  readonly mock: string
  /** The load of streams. */
  readonly sse: string
}

export function compileNative({ cache, native }: Rig): Native {
  mkdirSync(join(cache, 'bin'), { recursive: true })
  const compile = (name: string): string => {
    const output = join(cache, 'bin', name)
    const { status, stderr } = spawnSync(program('gcc'), ['-O2', '-Wall', '-o', output, join(native, `${name}.c`)], {
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`gcc refused ${name}.c:\n${stderr}`)
    return output
  }
  return { mock: compile('mock'), sse: compile('sse') }
}
