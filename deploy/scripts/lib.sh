# shellcheck shell=bash
# What the scripts of this folder share. They source it.

fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

say() { echo "$*"; }

need() {
  local name
  for name in "$@"; do command -v "$name" >/dev/null || fail "$name is not installed: apt-get install it (deploy/scripts/provision does)"; done
}

# In a tree of their own tests must not change the host for want of a stand-in.
need_stand_ins() {
  local name
  for name; do
    [[ -z ${FERRY_ROOT:-} || ${APPLY:-} != yes || $(command -v "$name") == "$FERRY_ROOT"/* ]] ||
      fail "FERRY_ROOT is set, and $name is this host's: put a stand-in into the tree and on PATH"
  done
}

# step WHAT COMMAND…: with --apply does it, else tells.
step() {
  local what=$1 status
  shift
  if [[ ${APPLY:-} == yes ]]; then
    say "  $what"
    # Not before `||`, where a function goes on after what fails in it.
    set +e
    (
      set -e
      "$@"
    )
    status=$?
    set -e
    [[ $status == 0 ]] || fail "failed: $what"
  else
    say "  would: $what"
  fi
}

# Variables of backup and restore, from the environment or from the file.
read_backup_settings() {
  local file=${FERRY_BACKUP_CONF:-/etc/ferry/backup.conf}
  if [[ -f $file ]]; then
    # shellcheck disable=SC1090
    . "$file"
  fi
  BACKUP_DIR=${BACKUP_DIR:-/opt/backups/llm-proxy}
  BACKUP_KEY_FILE=${BACKUP_KEY_FILE:-/etc/ferry/backup.key}
  BACKUP_DAYS=${BACKUP_DAYS:-7}
  BACKUP_PATHS=${BACKUP_PATHS:-}
  FERRY_STACK=${FERRY_STACK:-}
  REDIS_URL_FILE=${REDIS_URL_FILE:-}
  REDIS_ELSEWHERE=no
  # shellcheck disable=SC2034 # backup
  if [[ $REDIS_URL_FILE == none ]]; then REDIS_URL_FILE='' REDIS_ELSEWHERE=yes; fi
  # Where docs/deploy has it set up, if it was.
  FERRY_MONITORING=${FERRY_MONITORING-$([[ ! -f /opt/monitoring/.env ]] || echo /opt/monitoring)}
  [[ -s $BACKUP_KEY_FILE ]] || fail "there is no passphrase in $BACKUP_KEY_FILE: openssl rand -base64 32 > $BACKUP_KEY_FILE; chmod 600 $BACKUP_KEY_FILE; keep a copy off this machine"
  [[ -z $FERRY_STACK || -f $FERRY_STACK/compose.yaml ]] || fail "FERRY_STACK is $FERRY_STACK, which has no compose.yaml: set it to deploy/overseas or deploy/domestic of the checkout"
  if [[ -n $REDIS_URL_FILE ]]; then read_redis_url; fi
}

# redis://[USER[:PASSWORD]@]HOST[:PORT][/…]
read_redis_url() {
  local url
  [[ -s $REDIS_URL_FILE ]] || fail "REDIS_URL_FILE is $REDIS_URL_FILE, which is not there or empty"
  url=$(<"$REDIS_URL_FILE")
  [[ $url =~ ^redis://(([^:@/]*)(:([^@/]*))?@)?([^:@/,]+)(:([0-9]+))?(/.*)?$ ]] ||
    fail "the URL in $REDIS_URL_FILE is not that of one server: write redis://:PASSWORD@HOST:PORT, for Sentinel and Cluster one file for each server"
  REDIS_USER=${BASH_REMATCH[2]} REDIS_PASSWORD=${BASH_REMATCH[4]} REDIS_HOST=${BASH_REMATCH[5]} REDIS_PORT=${BASH_REMATCH[7]:-6379}
  # What is written %41 there.
  printf -v REDIS_PASSWORD '%b' "${REDIS_PASSWORD//%/\\x}"
}

# Redis's command line; the password goes through the environment, where `ps` does not show it.
redis() {
  REDISCLI_AUTH=$REDIS_PASSWORD redis-cli --no-auth-warning ${REDIS_USER:+--user "$REDIS_USER"} -h "$REDIS_HOST" -p "$REDIS_PORT" "$@"
}

# --- a stack of Docker Compose ---

# What of it is not in the checkout. The rest of its volumes is made anew: nginx's own, and markers that live for minutes.
# shellcheck disable=SC2034
readonly STACK_FILES='.env compose.override.yaml config secrets tls .previous-version'
# shellcheck disable=SC2034
readonly STACK_VOLUMES='bff-state letsencrypt tls'
# Of monitoring: users and dashboards of their own, silences. Prometheus's figures, up to 10 GB, are not kept.
# shellcheck disable=SC2034
readonly MONITORING_VOLUMES='grafana alertmanager'

stack() { (cd "$FERRY_STACK" && docker compose "$@"); }
stack_has() { grep -q "^  $1:" "$FERRY_STACK/compose.yaml"; }

# Where Docker keeps a volume of the stack; nothing where there is none.
stack_volume() {
  docker volume inspect -f '{{.Mountpoint}}' "$(stack config | sed -n 's/^name: //p')_$1" 2>/dev/null || true
}
# Whether its Redis is the one that is used.
uses_another_redis() { grep -qE '^REDIS_URL=.' "$FERRY_STACK/.env"; }
stack_has_redis() { stack_has redis && ! uses_another_redis; }
# shellcheck disable=SC2016 # the container's shell expands it
stack_redis() { stack exec -T redis sh -c 'REDISCLI_AUTH=$(cut -d" " -f2 /run/secrets/auth.conf) exec redis-cli --no-auth-warning "$@"' redis-cli "$@"; }

# crypt --symmetric|--decrypt IN OUT: gpg's own check finds a file that was changed or cut.
crypt() {
  local home status=0
  home=$(mktemp -d)
  gpg --homedir "$home" --batch --quiet --yes --no-tty --pinentry-mode loopback --passphrase-file "$BACKUP_KEY_FILE" \
    --cipher-algo AES256 --output "$3" "$1" "$2" || status=$?
  gpgconf --homedir "$home" --kill all >/dev/null 2>&1 || true
  rm -rf "$home"
  return "$status"
}
