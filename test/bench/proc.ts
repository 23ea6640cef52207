import { readdirSync, readFileSync } from 'node:fs'

/** CPU time that a process and its descendants have used, in ms. */
export function cpuMs(pid: number): number {
  return sum(family(pid).flatMap(threads).map(threadCpuMs))
}

/** Resident memory of a process and its descendants, in KiB. */
export function residentKib(pid: number): number {
  return sum(family(pid).map((id) => Number(/^VmRSS:\s+(\d+)/m.exec(read(`/proc/${id}/status`))?.[1] ?? 0)))
}

// The scheduler's own count in ns; ticks of 10 ms would be a tenth of what a paced run costs.
function threadCpuMs(folder: string): number {
  return Number(read(`${folder}/schedstat`).split(' ', 1)[0]) / 1e6
}

function threads(pid: number): string[] {
  const folder = `/proc/${pid}/task`
  return list(folder).map((thread) => `${folder}/${thread}`)
}

function family(pid: number): number[] {
  const children = threads(pid).flatMap((folder) => read(`${folder}/children`).split(' ').filter(Boolean).map(Number))
  return [pid, ...children.flatMap(family)]
}

// A process may end between two looks at it.
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0)
