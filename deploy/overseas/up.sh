#!/usr/bin/env bash
# Brings the overseas side up, or to what .env says now. What has changed starts anew, nginx and both relays together, and
# takes nothing until what runs has finished: one host after the other, and for the relays alone ./roll.sh.
#   ./up.sh           builds or pulls the images and starts everything
#   ./up.sh secrets   only hands changed keys and tokens to the relays, which read them again by themselves
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=../lib/stack.sh
. ../lib/stack.sh

write_secrets() {
  write_given relay RELAY_TOKENS
  write_secret relay relay_tokens "$(made_secret relay relay_tokens RELAY_TOKENS bff:)"
  write_settings relay
}

require_env_file
[[ -n $(env_value OPENAI_API_KEY)$(env_value ANTHROPIC_API_KEY)$(env_value GEMINI_API_KEY)$(env_value RELAY_CONFIG) ]] ||
  fail '.env has no vendor key: set at least one of OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY'
write_secrets
[[ ${1:-} == secrets ]] && exit
mkdir -p config tls
get_images
check_settings
docker compose up -d --no-build --remove-orphans
wait_for 60 'relay-1 is ready' answers relay-1 /ready
wait_for 60 'relay-2 is ready' answers relay-2 /ready
wait_for 60 'nginx answers' nginx_answers
undrain_all
say "running. The domestic side's RELAY_TOKEN is what follows the colon in $PWD/secrets/relay/relay_tokens"
