#!/usr/bin/env bash
# Replaces the relays one after the other, after an upgrade or a change in .env, without cutting a stream.
# A relay that holds long answers is waited for, up to DRAIN_TIMEOUT_MS.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=../lib/stack.sh
. ../lib/stack.sh
require_env_file
./up.sh secrets
get_images
check_settings
roll relay
