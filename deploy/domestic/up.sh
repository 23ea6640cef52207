#!/usr/bin/env bash
# Brings the domestic side up, or to what .env says now. Where settings have changed both BFFs start anew together and take
# nothing until those that run have finished: while there are calls, ./roll.sh.
#   ./up.sh           builds or pulls the images and starts everything
#   ./up.sh secrets   only writes the secrets; the BFFs read them as they start (./roll.sh)
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=../lib/stack.sh
. ../lib/stack.sh

# What the BFFs show the relays (mTLS): two files that .env names, seen from this folder.
write_client_certificate() {
  local name suffix file
  for name in CERT KEY; do
    suffix=$([[ $name == CERT ]] && echo crt || echo key)
    file=$(env_value "RELAY_CLIENT_${name}_FILE")
    # Restored on another host, whose copy below is as good.
    if [[ -n $file && ! -r $file && -s secrets/bff/relay_client.$suffix ]]; then
      say "RELAY_CLIENT_${name}_FILE=$file cannot be read from $PWD: secrets/bff/relay_client.$suffix stays as it is"
      continue
    fi
    [[ -z $file || -r $file ]] || fail ".env has RELAY_CLIENT_${name}_FILE=$file, which cannot be read from $PWD: correct the path or its permissions"
    if [[ -n $file ]]; then write_secret bff "relay_client.$suffix" "$(<"$file")"; fi
  done
}

write_secrets() {
  local password url cache_url
  write_given bff BFF_KEYS BFF_ADMIN_TOKEN SESSION_SECRET REDIS_URL REDIS_CACHE_URL
  write_secret bff bff_keys "$(made_secret bff bff_keys BFF_KEYS app:)"
  write_secret bff bff_admin_token "$(made_secret bff bff_admin_token BFF_ADMIN_TOKEN)"
  write_secret bff session_secret "$(made_secret bff session_secret SESSION_SECRET)"
  write_client_certificate
  password=$(made_secret redis password REDIS_PASSWORD)
  [[ $password =~ ^[A-Za-z0-9._~-]+$ ]] || fail 'REDIS_PASSWORD may have letters, digits and . _ ~ - only: it is part of a URL'
  write_secret redis password "$password"
  write_secret redis auth.conf "requirepass $password"
  url=$(env_value REDIS_URL)
  cache_url=$(env_value REDIS_CACHE_URL)
  write_secret bff redis_url "${url:-redis://:$password@redis:6379/0}"
  write_secret bff redis_cache_url "${cache_url:-redis://:$password@redis-cache:6379/0}"
  write_settings bff
}

require_env_file
[[ -n $(env_value RELAY_URLS) ]] || fail '.env has no RELAY_URLS: set it to https://NAME of the overseas hosts'
[[ -n $(env_value RELAY_TOKEN) ]] || fail '.env has no RELAY_TOKEN: overseas, secrets/relay/relay_tokens has it behind the colon'
write_secrets
[[ ${1:-} == secrets ]] && exit
mkdir -p config
get_images
check_settings
docker compose up -d --no-build --remove-orphans
wait_for 60 'bff-1 is ready' answers bff-1 /ready
wait_for 60 'bff-2 is ready' answers bff-2 /ready
wait_for 60 'nginx answers' nginx_answers
undrain_all
say "running. Applications call it with what follows the colon in $PWD/secrets/bff/bff_keys, ferry keys with $PWD/secrets/bff/bff_admin_token"
