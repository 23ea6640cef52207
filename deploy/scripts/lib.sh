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

# step WHAT COMMAND…: with --apply does it, else tells.
step() {
  local what=$1
  shift
  if [[ ${APPLY:-} == yes ]]; then
    say "  $what"
    "$@" || fail "failed: $what"
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
  REDIS_HOST=${REDIS_HOST:-}
  REDIS_PORT=${REDIS_PORT:-6379}
  REDIS_PASSWORD_FILE=${REDIS_PASSWORD_FILE:-}
  [[ -s $BACKUP_KEY_FILE ]] || fail "there is no passphrase in $BACKUP_KEY_FILE: openssl rand -base64 32 > $BACKUP_KEY_FILE; chmod 600 $BACKUP_KEY_FILE; keep a copy off this machine"
}

# Redis's command line; the password goes through the environment, where `ps` does not show it.
redis() {
  local password=
  if [[ -n $REDIS_PASSWORD_FILE ]]; then password=$(<"$REDIS_PASSWORD_FILE"); fi
  REDISCLI_AUTH=$password redis-cli --no-auth-warning -h "$REDIS_HOST" -p "$REDIS_PORT" "$@"
}

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
