// Programs that npm does not deliver. On Debian as root they are installed, elsewhere named in one line.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Refusal } from './install.mjs'

/** command → Debian package and what it is needed for. */
const PROGRAMS = {
  nginx: { package: 'nginx-light', why: 'tests of the relay behind nginx' },
  'redis-server': { package: 'redis-server', why: 'tests of the shared store' },
  openssl: { package: 'openssl', why: 'throw-away certificates for TLS tests' },
  certbot: { package: 'certbot', why: 'tests of certificates by ACME' },
  pebble: { package: 'pebble', why: 'the ACME authority of those tests' },
  'systemd-analyze': { package: 'systemd', why: 'checks of the units' },
  javac: { package: 'openjdk-17-jdk-headless', why: 'the Java examples' },
  mvn: { package: 'maven', why: 'the Java examples that have dependencies' },
  python3: { package: 'python3 python3-venv', why: 'the Python example' },
  chromium: { package: 'chromium fonts-noto-cjk', why: 'tests in a browser' },
  'espeak-ng': { package: 'espeak-ng', why: 'the voice example’s speech' },
  shellcheck: { package: 'shellcheck', why: 'checks of the scripts in deploy' },
  gpg: { package: 'gnupg', why: 'tests of backups' },
  prometheus: { package: 'prometheus', why: 'tests of alerts and dashboards' },
  'prometheus-alertmanager': { package: 'prometheus-alertmanager', why: 'tests of alerts' },
  'prometheus-node-exporter': { package: 'prometheus-node-exporter', why: 'tests of alerts and dashboards' },
  'prometheus-redis-exporter': { package: 'prometheus-redis-exporter', why: 'tests of alerts and dashboards' },
  'prometheus-nginx-exporter': { package: 'prometheus-nginx-exporter', why: 'tests of alerts and dashboards' },
  'prometheus-blackbox-exporter': { package: 'prometheus-blackbox-exporter', why: 'tests of alerts and dashboards' },
  yamllint: { package: 'yamllint', why: 'checks of the files for Kubernetes' },
  bwrap: { package: 'bubblewrap', why: 'tests of Pods' },
  ip: { package: 'iproute2', why: 'the emulated line of the link’s benchmark' },
  wrk: { package: 'wrk', why: 'benchmarks' },
  gcc: { package: 'gcc libc6-dev', why: 'the benchmark’s mock vendor' },
}
const POLICY = '/usr/sbin/policy-rc.d'

/** @param {string[]} commands names of PROGRAMS */
export function installSystemPackages(commands) {
  const missing = commands.filter((command) => !onPath(command))
  if (missing.length === 0) return
  const packages = missing.flatMap((command) => PROGRAMS[command].package.split(' '))
  if (!isDebian() || process.getuid?.() !== 0) {
    const list = missing.map((command) => `${command} (${PROGRAMS[command].why})`).join(', ')
    const hint = isDebian()
      ? `sudo apt-get install -y --no-install-recommends ${packages.join(' ')}`
      : 'your package manager'
    throw new Refusal(`missing on this machine: ${list}; install with ${hint}, then run again`)
  }
  console.error(`llm-ferry: installing ${packages.join(', ')} from Debian …`)
  withoutServiceStart(() => {
    apt(['update', '-qq'])
    apt(['install', '-y', '-qq', '--no-install-recommends', ...packages])
  })
}

function onPath(command) {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin']
  return folders.some((folder) => folder !== '' && existsSync(`${folder}/${command}`))
}

function isDebian() {
  return existsSync('/etc/os-release') && /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8'))
}

/** Debian starts a daemon as it installs it, unless policy-rc.d answers 101. */
function withoutServiceStart(work) {
  const ours = !existsSync(POLICY)
  if (ours) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    work()
  } finally {
    if (ours) rmSync(POLICY, { force: true })
  }
}

function apt(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const { status, stderr, error } = spawnSync('apt-get', args, { env, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  if (status === 0) return
  const reason = (stderr ?? '').trim().split('\n').pop() || error?.message || `exit code ${status}`
  throw new Refusal(`apt-get ${args.join(' ')} failed: ${reason}`)
}
