import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createFerry, FerryError } from '@llm-ferry/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../testkit/eventually.ts'
import { startRedis } from '../testkit/redis.ts'
import { startSandbox } from '../testkit/sandbox.ts'
import { RELAY_TOKEN, relayEnv, startBff, startRelay } from '../testkit/services.ts'
import { type Finished, runProgram } from './program.ts'

const SCRIPTS = fileURLToPath(new URL('../../deploy/scripts', import.meta.url))
const NAMES = ['backup', 'restore', 'harden', 'provision', 'upgrade']
const BFF_KEY = 'bff-key-of-app-0123456789'
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ferry-scripts-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const run = (name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Finished =>
  runProgram(join(SCRIPTS, name), args, { env: { PATH, BACKUP_METRICS_DIR: '', ...env } })

it('shellcheck has nothing to say', () => {
  const files = [...NAMES, 'lib.sh'].map((name) => join(SCRIPTS, name))
  expect(runProgram('shellcheck', ['-x', ...files])).toEqual({ status: 0, output: '' })
})

it('the backup runs daily at 02:00', () => {
  expect(readFileSync(join(SCRIPTS, 'systemd/ferry-backup.timer'), 'utf8')).toContain('OnCalendar=*-*-* 02:00:00')
})

describe('backup and restore', () => {
  it('bring quotas, usage, ledger and configuration back after everything was wiped', async () => {
    const at = (name: string): string => join(folder, name)
    const sandbox = await startSandbox()
    const redis = await startRedis(['--save', '', '--appendonly', 'yes'])
    await redis.command('CONFIG SET requirepass redis-password-0123')
    writeFileSync(at('redis_url'), `redis://:redis%2Dpassword-0123@127.0.0.1:${redis.port}/0`)
    writeFileSync(at('backup.key'), 'passphrase-of-the-backup-0123')
    writeFileSync(at('side.env'), 'RELAY_TOKEN=a-token-in-the-configuration\n')
    mkdirSync(at('backups'))
    const conf = {
      BACKUP_DIR: at('backups'),
      BACKUP_KEY_FILE: at('backup.key'),
      BACKUP_PATHS: `${at('side.env')} ${at('ledger.jsonl')}`,
    }
    const env = { ...conf, REDIS_URL_FILE: at('redis_url'), FERRY_BACKUP_CONF: '/nowhere' }
    const relay = await startRelay(relayEnv(sandbox.url))
    const bffEnv = {
      BFF_KEYS: `app:${BFF_KEY}`,
      RELAY_URLS: relay.origin,
      RELAY_TOKEN,
      REDIS_URL: `redis://:redis-password-0123@127.0.0.1:${redis.port}/0`,
      SPOOL_DIR: at('spool'),
      LEDGER_FILE: at('ledger.jsonl'),
      DAILY_QUOTA: '5',
    }
    const chat = (bff: { origin: string }): Promise<string> =>
      createFerry({ baseURL: bff.origin, apiKey: BFF_KEY, maxRetries: 0 })
        .chat({ model: 'openai/gpt-5.4-mini', messages: [{ role: 'user', content: 'Say hello' }], user: 'u' })
        .then(
          () => 'answered',
          (error: unknown) => (FerryError.is(error) ? error.code : String(error)),
        )
    const usage = async (bff: { origin: string }): Promise<unknown> =>
      (await fetch(`${bff.origin}/v1/usage`, { headers: { authorization: `Bearer ${BFF_KEY}` } })).json()

    let bff = await startBff(bffEnv)
    for (let call = 0; call < 3; call++) expect(await chat(bff)).toBe('answered')
    const lines = (): string[] =>
      existsSync(at('ledger.jsonl')) ? readFileSync(at('ledger.jsonl'), 'utf8').trim().split('\n') : []
    await eventually('the ledger has the calls', () => lines().length === 3)
    const [ledgerBefore, usageBefore] = [lines(), await usage(bff)]
    await bff.stop()

    const saved = run('backup', [], env)
    expect(saved.status, saved.output).toBe(0)
    const [file = ''] = readdirSync(at('backups'))
    expect(file).toMatch(/^ferry-\d{8}T\d{6}Z\.tar\.gz\.gpg$/)
    const bytes = readFileSync(at(`backups/${file}`))
    for (const secret of ['a-token-in-the-configuration', 'ferry:', 'redis-password'])
      expect(bytes.includes(secret)).toBe(false)

    const authed = (line: string): string =>
      runProgram('redis-cli', ['-p', String(redis.port), ...line.split(' ')], {
        env: { PATH, REDISCLI_AUTH: 'redis-password-0123' },
      }).output
    expect(authed('FLUSHALL')).toContain('OK')
    writeFileSync(at('ledger.jsonl'), 'a newer line\n')
    rmSync(at('side.env'))
    rmSync(at('spool'), { recursive: true, force: true })

    const shown = run('restore', [at(`backups/${file}`)], env)
    expect(shown.output).toContain('Nothing was changed')
    expect(existsSync(at('side.env'))).toBe(false)
    expect(authed('DBSIZE').trim()).toBe('0')
    const restored = run('restore', [at(`backups/${file}`), '--apply'], env)
    expect(restored.status, restored.output).toBe(0)

    expect(readFileSync(at('side.env'), 'utf8')).toBe('RELAY_TOKEN=a-token-in-the-configuration\n')
    expect(lines()).toEqual(ledgerBefore)
    // What was overwritten is still to be had.
    const [aside = ''] = readdirSync(at('backups-before-restore'))
    const tar = runProgram('tar', [
      '--extract',
      '--absolute-names',
      '--to-stdout',
      '--file',
      at(`backups-before-restore/${aside}/files.tar`),
    ])
    expect(tar).toEqual({ status: 0, output: 'a newer line\n' })
    expect(authed('INFO replication')).toContain('role:master')
    // And Redis's own file has it: a restart keeps it. (The password was set while it ran.)
    await redis.halt('SIGKILL')
    await redis.resume()
    await redis.command('CONFIG SET requirepass redis-password-0123')
    bff = await startBff(bffEnv)
    expect(await usage(bff)).toEqual(usageBefore)
    // Of five calls a day three were made: two are left, as before.
    expect([await chat(bff), await chat(bff), await chat(bff)]).toEqual(['answered', 'answered', 'quota_exceeded'])
    await bff.stop()

    // One that was changed, or another passphrase, restores nothing.
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
    writeFileSync(at('changed.gpg'), bytes)
    const changed = run('restore', [at('changed.gpg'), '--apply'], env)
    expect(changed.status).toBe(1)
    expect(changed.output).toContain('cannot be decrypted')
    await redis.stop()
    await relay.stop()
    await sandbox.stop()
    // Without Redis there is no backup that looks like one.
    const failed = run('backup', [], env)
    expect(failed.status).toBe(1)
    expect(failed.output).toContain('gave no dump')
    expect(readdirSync(at('backups'))).toEqual([file])
    // Nor of several servers at once.
    writeFileSync(at('redis_url'), 'redis+sentinel://:p@10.0.0.1:26379/mymaster')
    expect(run('backup', [], env).output).toContain('not that of one server')
  }, 90_000)

  it('asks for the Redis outside of a stack, shows nobody what is not encrypted yet, and is not made twice at once', () => {
    const stack = mkdtempSync(join(folder, 'stack-'))
    writeFileSync(join(stack, 'compose.yaml'), 'services:\n  redis:\n')
    writeFileSync(join(stack, '.env'), 'REDIS_URL=redis+sentinel://:p@10.0.0.1:26379/main\n')
    const keyFile = join(stack, 'key')
    writeFileSync(keyFile, 'a passphrase of tests')
    const bin = join(stack, 'bin')
    mkdirSync(bin)
    writeFileSync(join(bin, 'docker'), '#!/bin/bash\nexit 0\n', { mode: 0o755 })
    const backups = join(stack, 'backups')
    const env = {
      PATH: `${bin}:${PATH}`,
      FERRY_STACK: stack,
      BACKUP_DIR: backups,
      BACKUP_KEY_FILE: keyFile,
      BACKUP_METRICS_DIR: '',
      FERRY_BACKUP_CONF: '/nowhere',
    }
    expect(run('backup', [], env)).toMatchObject({ status: 1, output: expect.stringContaining('REDIS_URL_FILE') })
    // One that was cut off has left this.
    mkdirSync(`${backups}.work`)
    writeFileSync(join(`${backups}.work`, 'plain'), 'RELAY_TOKEN=canary')
    expect(run('backup', [], { ...env, REDIS_URL_FILE: 'none' }).status).toBe(0)
    expect(existsSync(`${backups}.work`)).toBe(false)
    expect(readdirSync(backups)).toEqual([expect.stringMatching(/^ferry-.*\.gpg$/)])
    const beside = runProgram('flock', [backups, join(SCRIPTS, 'backup')], { env: { ...env, REDIS_URL_FILE: 'none' } })
    expect(beside).toMatchObject({ status: 1, output: expect.stringContaining('another backup runs') })
  })

  it('keeps seven days', () => {
    const backups = join(folder, 'old-backups')
    mkdirSync(backups)
    writeFileSync(join(folder, 'a.env'), 'A=1\n')
    writeFileSync(join(folder, 'key'), 'passphrase-of-the-backup-0123')
    for (const days of [1, 6, 8, 30]) {
      const name = join(backups, `ferry-${days}.tar.gz.gpg`)
      writeFileSync(name, '')
      utimesSync(name, Date.now() / 1000 - days * 86_400, Date.now() / 1000 - days * 86_400)
    }
    const env = {
      FERRY_BACKUP_CONF: '/nowhere',
      BACKUP_DIR: backups,
      BACKUP_KEY_FILE: join(folder, 'key'),
      BACKUP_PATHS: join(folder, 'a.env'),
    }
    expect(run('backup', [], env).status).toBe(0)
    const left = readdirSync(backups)
    expect(left).toHaveLength(3)
    expect(left).toEqual(expect.arrayContaining(['ferry-1.tar.gz.gpg', 'ferry-6.tar.gz.gpg']))
    expect(run('backup', [], { ...env, BACKUP_PATHS: '/nowhere/at-all' }).output).toContain(
      '/nowhere/at-all, which is not there',
    )
  })
})

it('a step ends with what fails first in it', () => {
  const script = `. ${SCRIPTS}/lib.sh; set -e; APPLY=yes; work() { false; echo went on; }; step 'do it' work; echo after`
  const { status, output } = runProgram('bash', ['-c', script], { env: { PATH } })
  expect(status).toBe(1)
  expect(output).toContain('failed: do it')
  expect(output).not.toMatch(/went on|after/)
})

describe('harden', () => {
  /** A host with stand-ins for what would change this machine; they keep the state that they are told. */
  function host(options: {
    key: boolean
    password?: boolean
    freeSudo?: boolean
    shell?: string
    rules?: string
    mode?: number
  }): {
    root: string
    apply(...args: string[]): Finished
    ufw(): string
  } {
    const root = mkdtempSync(join(folder, 'host-'))
    const bin = join(root, 'bin')
    mkdirSync(bin)
    mkdirSync(join(root, 'home/ops/.ssh'), { recursive: true })
    if (options.key) writeFileSync(join(root, 'home/ops/.ssh/authorized_keys'), 'ssh-ed25519 AAAA ops\n')
    const stub = (name: string, text: string): void => {
      writeFileSync(join(bin, name), `#!/bin/bash\n${text}\n`)
      chmodSync(join(bin, name), 0o755)
    }
    stub(
      'getent',
      `case "$1 $2" in "group sudo") echo sudo:x:27:ops;; "passwd ops") echo ops:x:1000:1000::/home/ops:${options.shell ?? '/bin/bash'};; *) exit 2;; esac`,
    )
    stub(
      'sshd',
      `if [[ $1 == -T ]]; then echo 'port 2222'; echo 'listenaddress [::]:2222'; echo 'listenaddress 198.51.100.1:2250'; [[ $2 != -C ]] || echo '${options.rules ?? ''}'; { cat ${root}/etc/ssh/sshd_config.d/*.conf 2>/dev/null || true; } | tr A-Z a-z; fi`,
    )
    stub('id', `if [[ $* == '-Gn ops' ]]; then echo 'ops sudo'; else exec /usr/bin/id "$@"; fi`)
    chmodSync(join(root, 'home/ops/.ssh'), options.mode ?? 0o700)
    stub('passwd', `[[ $1 == -S ]] && echo "$2 ${options.password === false ? 'L' : 'P'} 2026-11-01 0 99999 7 -1"`)
    stub('sudo', options.freeSudo ? `echo '    (ALL) NOPASSWD: ALL'` : `echo '    (ALL : ALL) ALL'`)
    stub('dpkg-query', `[[ -f ${root}/installed ]] && echo 'install ok installed'; exit 0`)
    stub('apt-get', `touch ${root}/installed`)
    stub('systemctl', `if [[ $1 == show ]]; then echo '0.0.0.0:2300 (Stream)'; else echo "$*" >>${root}/systemctl; fi`)
    stub(
      'ufw',
      `case "$*" in
      'status verbose') cat ${root}/ufw 2>/dev/null;;
      'allow '*) echo "$2 ALLOW IN Anywhere" >>${root}/ufw;;
      'default deny incoming') echo 'Default: deny (incoming), allow (outgoing), disabled (routed)' >>${root}/ufw;;
      '--force enable') echo 'Status: active' >>${root}/ufw;;
    esac; exit 0`,
    )
    const env = { FERRY_ROOT: root, SSH_CONNECTION: '203.0.113.9 50000 198.51.100.1 2200', PATH: `${bin}:${PATH}` }
    return {
      root,
      apply: (...args) => runProgram(join(SCRIPTS, 'harden'), args, { env }),
      ufw: () => (existsSync(join(root, 'ufw')) ? readFileSync(join(root, 'ufw'), 'utf8') : ''),
    }
  }

  it('only tells, unless it is told to apply', () => {
    const { root, apply, ufw } = host({ key: true })
    const { status, output } = apply()
    expect(status, output).toBe(0)
    expect(output).toContain('would: ufw allow 2222/tcp')
    expect(output).toContain('Nothing was changed')
    expect(existsSync(join(root, 'etc'))).toBe(false)
    expect(ufw()).toBe('')
  })

  it('leaves the ports in use, 22, 80 and 443 open, sets sshd, and changes nothing the second time', () => {
    const { root, apply, ufw } = host({ key: true })
    const first = apply('--apply')
    expect(first.status, first.output).toBe(0)
    const allowed = ufw().trim().split('\n')
    // sshd's ports, systemd's in its place and the port of this very session, before the firewall goes on.
    expect(allowed.slice(0, 7).map((line) => line.split('/')[0])).toEqual([
      ...['2222', '2250', '2300', '2200'],
      ...['22', '80', '443'],
    ])
    expect(allowed.at(-1)).toBe('Status: active')
    expect(ufw()).toContain('Default: deny (incoming), allow (outgoing)')
    const sshd = readFileSync(join(root, 'etc/ssh/sshd_config.d/00-ferry.conf'), 'utf8')
    for (const line of ['PermitRootLogin no', 'PasswordAuthentication no', 'PubkeyAuthentication yes'])
      expect(sshd).toContain(line)
    expect(readFileSync(join(root, 'etc/apt/apt.conf.d/20auto-upgrades'), 'utf8')).toContain('Unattended-Upgrade "1"')
    expect(readFileSync(join(root, 'systemctl'), 'utf8')).toBe('reload ssh\n')
    const before = ufw()
    const second = apply('--apply')
    expect(second.status).toBe(0)
    expect(second.output).not.toMatch(/^ {2}(?!is so)/m)
    expect(ufw()).toBe(before)
    expect(readFileSync(join(root, 'systemctl'), 'utf8')).toBe('reload ssh\n')
  })

  it.each([
    ['nobody could log in', { key: false }],
    ['who can log in has no password for sudo', { key: true, password: false }],
    ['sshd takes others alone', { key: true, rules: 'allowusers root admin@10.0.0.1' }],
    ['sshd takes other groups alone', { key: true, rules: 'allowgroups wheel' }],
    ['sshd refuses its group', { key: true, rules: 'denygroups su*' }],
    ['it has no shell', { key: true, shell: '/usr/sbin/nologin' }],
    ['others can write its keys', { key: true, mode: 0o777 }],
  ])('refuses where afterwards %s', (_, options) => {
    const { root, apply, ufw } = host(options)
    const { status, output } = apply('--apply')
    expect(status).toBe(1)
    expect(output).toContain('no user but root could log in and become root')
    expect(ufw()).toBe('')
    expect(existsSync(join(root, 'etc'))).toBe(false)
  })

  it.each([{ rules: 'allowusers ops@203.0.113.*' }, { rules: 'allowgroups wheel sudo' }, { rules: 'denyusers root' }])(
    'knows who may log in by $rules',
    (options) => {
      expect(host({ key: true, ...options }).apply().status).toBe(0)
    },
  )

  it('changes nothing on a host whose stand-ins are not all there', () => {
    const { root, apply } = host({ key: true })
    rmSync(join(root, 'bin/ufw'))
    rmSync(join(root, 'bin/apt-get'))
    expect(apply('--apply')).toMatchObject({ status: 1, output: expect.stringContaining('apt-get is this host') })
  })

  it('takes a user without a password whom sudo does not ask for one', () => {
    expect(host({ key: true, password: false, freeSudo: true }).apply().status).toBe(0)
  })
})

describe('provision', () => {
  it('only tells, and refuses without a side', () => {
    const root = mkdtempSync(join(folder, 'bare-'))
    const { status, output } = run('provision', ['domestic'], { FERRY_ROOT: root })
    expect(status, output).toBe(0)
    expect(output).toMatch(/would: make \/opt\/llm-proxy/)
    expect(readdirSync(root)).toEqual([])
    expect(run('provision', [], { FERRY_ROOT: root }).output).toContain('name the side')
  })
})

describe('upgrade', () => {
  function side(roll: string): { path: string; version(): string | undefined } {
    const path = mkdtempSync(join(folder, 'side-'))
    writeFileSync(join(path, '.env'), 'RELAY_TOKENS=a=b\nFERRY_VERSION=1.0.0\nLAST=x\n')
    writeFileSync(join(path, 'roll.sh'), `#!/bin/bash\n${roll}\n`, { mode: 0o755 })
    return { path, version: () => /^FERRY_VERSION=(.*)$/m.exec(readFileSync(join(path, '.env'), 'utf8'))?.[1] }
  }

  it('rolls to a version, and back', () => {
    const { path, version } = side('echo $FERRY_VERSION >>rolled')
    expect(run('upgrade', [path, '1.1.0']).status).toBe(0)
    expect(version()).toBe('1.1.0')
    expect(run('upgrade', [path, '--rollback']).status).toBe(0)
    expect(version()).toBe('1.0.0')
    expect(readFileSync(join(path, 'rolled'), 'utf8')).toBe('1.1.0\n1.0.0\n')
    expect(readFileSync(join(path, '.env'), 'utf8')).toContain('RELAY_TOKENS=a=b\nLAST=x\n')
  })

  /** The domestic side in a checkout of its own, and a docker that does what the rest of a shell script says. */
  function checkout(docker: string) {
    const copy = mkdtempSync(join(folder, 'checkout-'))
    const root = join(SCRIPTS, '../..')
    const list = 'git ls-files -zco --exclude-standard deploy | tar --null -cT -'
    expect(runProgram('bash', ['-c', `cd '${root}' && ${list} | tar -xC '${copy}'`]).status).toBe(0)
    const path = join(copy, 'deploy/domestic')
    writeFileSync(join(path, '.env'), 'RELAY_URLS=https://a.example\nRELAY_TOKEN=t\nFERRY_VERSION=1.0.0\n')
    const bin = join(copy, 'bin')
    mkdirSync(bin)
    const head = `#!/bin/bash
copy=${copy} cut=${copy}/cut
version=\${FERRY_VERSION:-$(sed -n 's/^FERRY_VERSION=//p' .env)}
echo "$version $*" >>$copy/log
`
    writeFileSync(join(bin, 'docker'), head + docker, { mode: 0o755 })
    return {
      path,
      bin,
      upgrade: (...args: string[]) => run('upgrade', [path, ...args], { PATH: `${bin}:${PATH}` }),
      logged: () => readFileSync(join(copy, 'log'), 'utf8').trim().split('\n'),
    }
  }

  it('builds what is new, and goes back to images that are there', () => {
    // Containers of 1.1.0 do not start; images of all versions are there but those of 0.9.0.
    const { path, upgrade, logged } = checkout(`
case "$*" in
  'compose config --images') echo "llm-ferry/bff:$version" ;;
  'image inspect llm-ferry/bff:0.9.0') exit 1 ;;
  'compose up '*) [[ $version != 1.1.0 ]] ;;
esac
`)
    const builds = () => logged().filter((line) => line.includes(' compose build'))
    const { status, output } = upgrade('1.1.0')
    expect([status, output]).toEqual([1, expect.stringContaining('1.1.0 does not serve; 1.0.0 does')])
    expect(builds()).toEqual(['1.1.0 compose build --quiet'])

    expect(upgrade('1.2.0').status).toBe(0)
    expect(upgrade('--rollback').status).toBe(0)
    expect(builds()).toEqual(['1.1.0 compose build --quiet', '1.2.0 compose build --quiet'])
    writeFileSync(join(path, '.previous-version'), '0.9.0')
    expect(upgrade('--rollback').output).toContain('the image llm-ferry/bff:0.9.0 is not here')
    expect(readFileSync(join(path, '.env'), 'utf8')).toContain('FERRY_VERSION=1.0.0')
  }, 30_000)

  it('can be run again, or undone, where it was cut off; nginx has both again', async () => {
    const { path, bin, upgrade, logged } = checkout(`
case "$*" in
  'compose up '*-1) [[ ! -e $cut ]] || { touch $copy/waiting; sleep 30; } ;;
esac
`)
    writeFileSync(join(bin, '../cut'), '')
    const child = spawn(join(SCRIPTS, 'upgrade'), [path, '1.1.0'], {
      env: { PATH: `${bin}:${PATH}` },
      stdio: 'ignore',
      detached: true,
    })
    const ended = once(child, 'exit')
    await eventually('it waits for the first one', () => existsSync(join(bin, '../waiting')))
    // As a terminal that is lost does it: to all that it has started.
    process.kill(-(child.pid ?? 0), 'SIGHUP')
    expect((await ended)[0]).toBe(1)
    expect(logged().slice(-2)).toEqual([1, 2].map((index) => `1.1.0 compose exec -T nginx front undrain ${index}`))
    expect(readFileSync(join(path, '.env'), 'utf8')).toContain('FERRY_VERSION=1.0.0')
    rmSync(join(bin, '../cut'))
    expect(upgrade('1.1.0').output).toContain('now at 1.1.0')
    expect(upgrade('--rollback').output).toContain('now at 1.0.0')
  }, 30_000)

  it('goes back by itself when the new version does not serve', () => {
    const { path, version } = side('[[ $FERRY_VERSION != 1.2.0 ]]')
    const { status, output } = run('upgrade', [path, '1.2.0'])
    expect(status).toBe(1)
    expect(output).toContain('1.2.0 does not serve; 1.0.0 does')
    expect(version()).toBe('1.0.0')
    expect(run('upgrade', [path, '--rollback']).output).toContain('nothing was upgraded here')
    expect(run('upgrade', [path, '1.0.0; rm -rf /']).output).toContain('no tag')
  })
})
