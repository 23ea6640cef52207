import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeEach, describe, expect, it } from 'vitest'

const SCRIPT = fileURLToPath(new URL('../../deploy/scripts/kernel', import.meta.url))

/** What a machine begins with; names as files of /proc/sys, tabs between numbers as the kernel writes them. */
const FRESH: Readonly<Record<string, string>> = {
  'net/ipv4/tcp_slow_start_after_idle': '1',
  'net/ipv4/tcp_mtu_probing': '0',
  'net/core/rmem_max': '212992',
  'net/core/wmem_max': '33554432',
  'net/ipv4/tcp_rmem': '4096\t131072\t6291456',
  'net/ipv4/tcp_wmem': '8192\t16384\t4194304',
  'net/core/somaxconn': '4096',
  'net/ipv4/tcp_congestion_control': 'cubic',
  'net/core/default_qdisc': 'pfifo_fast',
  'net/ipv4/tcp_notsent_lowat': '4294967295',
}

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ferry-kernel-'))
  for (const [name, value] of Object.entries(FRESH)) {
    const file = join(root, 'proc/sys', name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, `${value}\n`)
  }
})

function kernel(...args: string[]): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(SCRIPT, [...args, '--root', root], { encoding: 'utf8' })
  return { status, out: stdout, err: stderr }
}
const value = (name: string): string => readFileSync(join(root, 'proc/sys', name), 'utf8').trim()
const written = (): string => readFileSync(join(root, 'etc/sysctl.d/90-llm-ferry.conf'), 'utf8')

describe('kernel relay', () => {
  it('--check names what is wrong, says what it should be, and changes nothing', () => {
    const { status, out } = kernel('relay', '--check')
    expect(status).toBe(1)
    expect(out).toContain('WRONG  net.ipv4.tcp_congestion_control = cubic, should be bbr')
    expect(out).toContain('WRONG  net.core.rmem_max = 212992, should be at least 16777216')
    expect(out).toContain('right  net.core.somaxconn = 4096')
    expect(out.match(/^WRONG/gm)).toHaveLength(8)
    for (const [name, before] of Object.entries(FRESH)) expect(value(name)).toBe(before)
    expect(() => written()).toThrow('ENOENT')
  })

  it('sets it now and for the next start, and leaves alone what is more than enough', () => {
    const { status, out } = kernel('relay')
    expect(out).not.toContain('WRONG')
    expect(status).toBe(0)
    expect(value('net/ipv4/tcp_congestion_control')).toBe('bbr')
    expect(value('net/ipv4/tcp_slow_start_after_idle')).toBe('0')
    expect(value('net/ipv4/tcp_wmem')).toBe('8192 65536 16777216')
    expect(value('net/core/wmem_max')).toBe('33554432')
    expect(written()).toContain('\nnet.core.default_qdisc = fq\n')
    // The next start must not lower it.
    expect(written()).toContain('\nnet.core.wmem_max = 33554432\n')
    expect(readFileSync(join(root, 'etc/modules-load.d/llm-ferry.conf'), 'utf8')).toBe('tcp_bbr\n')
    expect(kernel('relay', '--check').status).toBe(0)
  })

  it('run again changes nothing', () => {
    kernel('relay')
    const before = written()
    const { status, out } = kernel('relay')
    expect(status).toBe(0)
    expect(out).not.toContain('wrote')
    expect(written()).toBe(before)
  })

  it('says so where the kernel has not got a setting', () => {
    rmSync(join(root, 'proc/sys/net/ipv4/tcp_congestion_control'))
    rmSync(join(root, 'proc/sys/net/core/default_qdisc'))
    const { status, out } = kernel('relay', '--check')
    expect(status).toBe(1)
    expect(out).toContain('net.core.default_qdisc = (this kernel has none), should be fq')
  })
})

it('kernel bff sets windows and buffers, and leaves the congestion control to the machine', () => {
  const { status, out } = kernel('bff')
  expect(status).toBe(0)
  expect(out).not.toContain('congestion')
  expect(value('net/ipv4/tcp_congestion_control')).toBe('cubic')
  expect(value('net/ipv4/tcp_slow_start_after_idle')).toBe('0')
  expect(written()).not.toContain('bbr')
})

it.each([[[]], [['voicebox']], [['relay', '--chek']]])('%j is answered with how it is used', (args) => {
  const { status, err } = kernel(...args)
  expect(status).toBe(2)
  expect(err).toContain('kernel relay --check')
})
