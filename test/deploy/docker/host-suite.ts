import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from '../../testkit/eventually.ts'
import { type Host, startHost } from './host.ts'

const MINUTES = 60_000
const SCRIPTS = '/opt/llm-proxy/deploy/scripts'
const README = readFileSync(fileURLToPath(new URL('../../../deploy/README.md', import.meta.url)), 'utf8')
/** The commands that set up the systemd variant. */
const SET_UP = /```sh\n(useradd --system llm-ferry [\s\S]*?)```/.exec(README)?.[1] ?? 'false'
const KEY = 'authorization: Bearer $(cat /etc/ferry/secrets/bff_admin_token)'

/** provision, harden and the variant without Docker, for real, on a Debian with systemd. For the engine's one user. */
export function hostSuite(): void {
  describe('a bare host', () => {
    let host: Host
    beforeAll(async () => {
      host = await startHost()
    }, 5 * MINUTES)
    afterAll(() => host?.remove(), MINUTES)

    /** Lines that tell of something done or to do. */
    const changes = (said: string): readonly string[] => said.split('\n').filter((line) => /^ {2}(?!is so)/.test(line))

    it('is provisioned, and the second time there is nothing to do', { timeout: 5 * MINUTES }, async () => {
      const provision = `${SCRIPTS}/provision domestic --without-docker`
      expect(await host.bash(provision)).toContain('Nothing was changed')
      await host.bash(`${provision} --apply`)
      expect(changes(await host.bash(`${provision} --apply`))).toEqual([])
      await host.bash('command -v redis-server nginx gpg curl; systemctl is-active redis-server')
      expect(await host.bash('stat -c %a /etc/ferry/backup.key')).toBe('600\n')
    })

    it('is hardened, and the second time there is nothing to do', { timeout: 5 * MINUTES }, async () => {
      expect(await host.bashFails(`${SCRIPTS}/harden --apply`)).toContain(
        'no user but root could log in and become root',
      )
      await host.bash(`useradd -m -s /bin/bash -G sudo -p "$(openssl passwd a-password)" ops; install -d -o ops /home/ops/.ssh
        echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ ops' >/home/ops/.ssh/authorized_keys`)
      expect(await host.bash(`${SCRIPTS}/harden`)).toContain('Nothing was changed')
      await host.bash(`${SCRIPTS}/harden --apply`)
      expect(changes(await host.bash(`${SCRIPTS}/harden --apply`))).toEqual([])
      const sshd = await host.bash('sshd -T')
      for (const line of ['permitrootlogin no', 'passwordauthentication no', 'pubkeyauthentication yes'])
        expect(sshd).toContain(`${line}\n`)
      const ufw = await host.bash('ufw status verbose')
      expect(ufw).toContain('Status: active')
      expect(ufw).toContain('Default: deny (incoming), allow (outgoing)')
      expect([...ufw.matchAll(/^(\d+)\/tcp +ALLOW IN +Anywhere/gm)].map(([, port]) => port)).toEqual([
        '22',
        '80',
        '443',
      ])
      await host.bash('systemctl is-active ssh')
    })

    it('runs the domestic side as systemd units, by the commands of the README', { timeout: 3 * MINUTES }, async () => {
      await host.bash(`cd /opt/llm-proxy/deploy
        printf 'requirepass redis-password-0123\\n' >>/etc/redis/redis.conf
        sed -n '/^appendonly/,$p' domestic/redis.conf >>/etc/redis/redis.conf && systemctl restart redis-server
        install -d -m 700 /etc/ferry/secrets && cd /etc/ferry/secrets
        printf app:bff-key-0123456789-abcdef >bff_keys; printf relay-token-0123456789 >relay_token
        printf redis://:redis-password-0123@127.0.0.1:6379/0 >redis_url; printf admin-token-0123456789 >bff_admin_token
        cd /opt/llm-proxy/deploy\n${SET_UP}`)
      const status = (path: string): Promise<string> =>
        host.bash(`curl -s -o /dev/null -w '%{http_code}' 127.0.0.1:8081${path} -H "${KEY}" || true`)
      await eventually(
        'all answer',
        async () => {
          const paths = ['/ready', '/admin/v1/keys', '/metrics/bff-1', '/metrics/bff-2']
          return (await Promise.all(paths.map(status))).every((one) => one === '200')
        },
        60_000,
      )
      // What is not there is simply not set: no credential is missing.
      expect(await host.bash('ls /etc/ferry/secrets')).not.toContain('metrics_token')
      // One that stops is replaced; the other serves.
      await host.bash('systemctl kill -s KILL llm-ferry-bff@1')
      expect(await status('/ready')).toBe('200')
      await eventually('systemd has started it again', async () => (await status('/metrics/bff-1')) === '200', 60_000)
    })

    it('backs up by its timer, and has all again after a wipe', { timeout: 3 * MINUTES }, async () => {
      const keys = (): Promise<string> => host.bash(`curl -s 127.0.0.1:8081/admin/v1/keys -H "${KEY}"`)
      await host.bash(`curl -sf 127.0.0.1:8081/admin/v1/keys -H "${KEY}" -H 'content-type: application/json' -d '{"name":"made"}'
        echo '{"a":"line"}' >>/var/lib/llm-ferry/ledger.jsonl; chown llm-ferry /var/lib/llm-ferry/ledger.jsonl
        cp ${SCRIPTS}/systemd/* /etc/systemd/system/ && systemctl daemon-reload && systemctl enable --now ferry-backup.timer`)
      expect(await host.bash('systemctl list-timers ferry-backup.timer')).toMatch(/ 02:00:00 /)
      const before = await keys()
      expect(before).toContain('"name":"made"')
      await host.bash('systemctl start ferry-backup.service')
      const told = await host.bash('sudo -u nobody cat /var/lib/prometheus/node-exporter/ferry-backup.prom')
      expect(told).toMatch(/^ferry_backup_failed 0$/m)
      await host.bash(`systemctl stop llm-ferry-bff@1 llm-ferry-bff@2
        REDISCLI_AUTH=redis-password-0123 redis-cli FLUSHALL; rm -rf /etc/ferry/bff.env /etc/ferry/secrets/* /var/lib/llm-ferry/*`)
      // The one secret that Redis must still be spoken to with; the rest comes out of the backup.
      await host.bash(`printf redis://:redis-password-0123@127.0.0.1:6379/0 >/etc/ferry/secrets/redis_url
        ${SCRIPTS}/restore /opt/backups/llm-proxy/ferry-*.gpg --apply
        systemctl restart redis-server && systemctl start llm-ferry-bff@1 llm-ferry-bff@2`)
      await eventually('the keys are as before', async () => (await keys()) === before, 60_000)
      expect(await host.bash('cat /var/lib/llm-ferry/ledger.jsonl')).toContain('{"a":"line"}')
      expect(await host.bash('stat -c "%a %U" /etc/ferry/secrets/bff_keys /var/lib/llm-ferry/ledger.jsonl')).toMatch(
        /^\d+ root\n\d+ llm-ferry\n$/,
      )
    })
  })
}
