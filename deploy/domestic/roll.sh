#!/usr/bin/env bash
# Replaces the BFFs one after the other, after an upgrade or a change in .env, without cutting a stream.
# A BFF with long answers under way is waited for, up to DRAIN_TIMEOUT_MS.
set -euo pipefail
cd "$(dirname "$0")"
# shellcheck source=../lib/stack.sh
. ../lib/stack.sh
require_env_file
./up.sh secrets
get_images
check_settings
roll bff
