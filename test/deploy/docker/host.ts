import { execFile, execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { docker } from './stacks.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const NAME = 'ferry-test-host'
const run = promisify(execFile)

// A kernel's settings belong to this machine, which the container shares: what would change them answers that all is well.
const IMAGE = `FROM node:24-bookworm-slim AS node
FROM debian:bookworm-slim
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \\
  systemd systemd-sysv dbus openssh-server sudo iptables procps >/dev/null
COPY --from=node /usr/local/bin/node /usr/bin/node
RUN ln -s /bin/true /usr/local/sbin/sysctl
STOPSIGNAL SIGRTMIN+3
CMD ["/sbin/init"]
`

/** A Debian with a systemd of its own, in a container of its own network: a host that provision and harden may change. */
export interface Host {
  /** Runs a script there; rejects where it fails. What it wrote, stderr too. */
  bash(script: string): Promise<string>
  /** The same for a script that is to fail. */
  bashFails(script: string): Promise<string>
  remove(): void
}

/** Needs the engine, and the BFF's image. */
export async function startHost(): Promise<Host> {
  execFileSync('docker', ['buildx', 'build', '-q', '--network', 'host', '-t', NAME, '-'], {
    input: IMAGE,
    stdio: 'pipe',
  })
  const systemd = ['--cap-add', 'SYS_ADMIN', '--tmpfs', '/run', '--tmpfs', '/run/lock', '--cgroupns', 'host']
  const cgroup = ['-v', '/sys/fs/cgroup:/sys/fs/cgroup:rw']
  const open = ['--security-opt', 'seccomp=unconfined', '--security-opt', 'apparmor=unconfined']
  // For ufw, in the container's own network.
  docker('run', '-d', '--name', NAME, ...systemd, ...cgroup, ...open, '--cap-add', 'NET_ADMIN', NAME)
  const into = ['exec', '-i', NAME] as const
  const bash = async (script: string): Promise<string> => {
    const { stdout } = await run('docker', [...into, 'bash', '-ec', `exec 2>&1\n${script}`], { maxBuffer: 1e8 })
    return stdout
  }
  // In a container systemd leaves mounts as they are; on a host it shares them, which credentials need.
  await bash('mount --make-rshared / && mkdir -p /opt/llm-proxy /etc/systemd/system/redis-server.service.d')
  // A user namespace within a container's cannot be had.
  await bash(`printf '[Service]\\nPrivateUsers=no\\n' >/etc/systemd/system/redis-server.service.d/container.conf`)
  const copy = `git ls-files -zco --exclude-standard deploy | tar --null -cT - | docker ${into.join(' ')} tar -xC /opt/llm-proxy
    id=$(docker create llm-ferry/bff:local) && docker cp "$id":/app - | docker ${into.join(' ')} tar -xC /opt/llm-proxy && docker rm "$id"`
  execFileSync('bash', ['-ec', copy], { cwd: root, stdio: 'pipe' })
  await bash('cd /opt/llm-proxy && mv app bff && ln -sf /bin/true deploy/scripts/kernel')
  return {
    bash,
    bashFails: (script) =>
      bash(script).then(
        (said) => {
          throw new Error(`it did not fail: ${said}`)
        },
        ({ stdout }: { stdout: string }) => stdout,
      ),
    remove: () => void docker('rm', '-f', NAME),
  }
}
