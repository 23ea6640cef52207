# shellcheck shell=bash
# What up.sh and roll.sh of both sides share. They source it after they have gone to their own folder.

fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

say() { echo "${0##*/}: $*"; }

require_env_file() {
  [[ -f .env ]] || fail "there is no .env here: cp .env.example .env, fill it in, and run this again"
  command -v docker >/dev/null || fail 'docker is not installed (deploy/README.md)'
  docker compose version >/dev/null 2>&1 || fail 'docker has no compose plugin: install docker-compose-plugin'
  # It holds keys.
  chmod go-rwx .env
  require_plain_lines
}

# Compose and env_value must read the same out of a line. Tells its number, not what is in it.
require_plain_lines() {
  local name='[A-Za-z_][A-Za-z0-9_]*' odd
  odd=$(grep -nE "^[[:space:]]*export[[:space:]]|^[[:space:]]+${name}[[:space:]]*=|^${name}[[:space:]]+=|^${name}=([[:space:]]+[^[:space:]]|[^'\"[:space:]].*[[:space:]]#|\"[^\"]*\"[[:space:]]*[^[:space:]]|'[^']*'[[:space:]]*[^[:space:]])" .env | head -1) || true
  [[ -z $odd ]] ||
    fail ".env, line ${odd%%:*}: write it as NAME=value, without \"export\", blanks at its beginning or beside the =, or a comment behind the value"
}

# The value of a name in .env, or nothing, literally.
env_value() {
  local line value
  line=$(grep -E "^$1=" .env | tail -1) || return 0
  value=${line#*=}
  value=${value%$'\r'}
  if [[ $value =~ ^\"(.*)\"$ || $value =~ ^\'(.*)\'$ ]]; then value=${BASH_REMATCH[1]}; fi
  printf '%s' "$value"
}

# write_secret FOLDER FILE VALUE: for the containers of that folder. Other users of this host cannot pass `secrets`; the
# users within the containers must be able to read what is in it.
write_secret() {
  install -d -m 700 secrets
  install -d -m 755 "secrets/$1"
  (umask 077 && printf '%s' "$3" >"secrets/$1/.$2.new")
  chmod 444 "secrets/$1/.$2.new"
  mv -f "secrets/$1/.$2.new" "secrets/$1/$2"
}

# Names of the secrets that compose.yaml takes from files.
secret_names() { sed -n 's|^ *\([A-Z][A-Z_0-9]*\)_FILE: /run/secrets/.*|\1|p' compose.yaml; }

# write_given FOLDER: the secrets that .env has, or nothing in their place, but those NAMEs that follow, which up.sh makes.
write_given() {
  local folder=$1 name
  shift
  for name in $(secret_names); do
    [[ " $* " == *" $name "* ]] || write_secret "$folder" "${name,,}" "$(env_value "$name")"
  done
}

# write_settings FOLDER: settings.env, the environment of that folder's service: what .env has and is neither secret nor
# Docker's matter. A secret that FERRY_CONFIG or RELAY_CONFIG refers to, such as DEEPSEEK_API_KEY, becomes a file as well.
write_settings() {
  local name names value known text='# Written by up.sh from .env.'
  known=" $(secret_names | tr '\n' ' ')REDIS_PASSWORD RELAY_CA_FILE REDIS_IMAGE NPM_REGISTRY "
  mapfile -t names < <(sed -n 's/^\([A-Z][A-Z0-9_]*\)=.*/\1/p' .env | sort -u)
  for name in "${names[@]}"; do
    value=$(env_value "$name")
    if [[ -z $value || $known == *" $name "* || $name =~ ^(COMPOSE|DOCKER|FERRY)_ && $name != FERRY_CONFIG || $name == *_MIRROR ]]; then continue; fi
    if [[ $name =~ _(KEYS?|TOKENS?|SECRET|PASSWORD)$ && $name != MAX_* ]]; then
      write_secret "$1" "${name,,}" "$value"
      value=/run/secrets/${name,,} name=${name}_FILE
    fi
    [[ $value != *\'* ]] || fail "$name in .env has a ' in it, which the files that Docker reads cannot hold"
    text+=$'\n'"$name='$value'"
  done
  (umask 077 && printf '%s\n' "$text" >.settings.env.new)
  mv -f .settings.env.new settings.env
}

random_secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# made_secret FOLDER FILE NAME: what .env says under NAME; else what was made before; else something new.
made_secret() {
  local value
  value=$(env_value "$3")
  if [[ -z $value && -s secrets/$1/$2 ]]; then value=$(<"secrets/$1/$2"); fi
  printf '%s' "${value:-${4:-}$(random_secret)}"
}

# Whether a service's container answers 200 there.
answers() { docker compose exec -T "$1" node /usr/local/lib/ferry/healthcheck.mjs "$2" >/dev/null 2>&1; }

# wait_for SECONDS WHAT COMMAND…
wait_for() {
  local seconds=$1 what=$2
  shift 2
  for ((i = 0; i < seconds * 2; i++)); do
    "$@" && return
    sleep 0.5
  done
  fail "not after $seconds s: $what. Look at: docker compose ps; docker compose logs --tail 50"
}

nginx_answers() { docker compose exec -T nginx front check >/dev/null 2>&1; }

# The commit that an image is built from: what .env says, else the checkout's, else nothing.
commit_here() {
  local commit
  commit=$(env_value FERRY_COMMIT)
  if [[ -z $commit && -e ../../.git ]]; then commit=$(git -C ../.. rev-parse HEAD 2>/dev/null || true); fi
  printf '%s' "$commit"
}

# The images: pulled where .env names a registry; else built from this checkout, but with FERRY_KEEP_IMAGES=yes those that
# are here, such as those of a former version.
get_images() {
  local image
  if [[ -n $(env_value FERRY_IMAGES) ]]; then
    docker compose pull --quiet
  elif [[ ${FERRY_KEEP_IMAGES:-} == yes ]]; then
    for image in $(docker compose config --images | grep '^llm-ferry/'); do
      docker image inspect "$image" >/dev/null 2>&1 ||
        fail "the image $image is not here: carry it over with docker save and docker load, or check its version out and build it"
    done
  else
    FERRY_COMMIT=$(commit_here) docker compose build --quiet
  fi
}

# Would the services start as .env has them? The new images say so themselves, beside those that run: what is wrong is named,
# and nothing was replaced. Ends with 78 then (EX_CONFIG), by which `upgrade` knows it.
check_settings() {
  timeout --foreground 120 docker compose run --rm -T --no-deps check </dev/null && return
  echo "${0##*/}: the configuration cannot be used, see above: mend it and run this again. Nothing was replaced; what runs goes on" >&2
  exit 78
}

# Lets nginx choose both again, whatever was left behind.
undrain_all() {
  local index
  for index in 1 2; do docker compose exec -T nginx front undrain "$index" >/dev/null || true; done
}

# roll NAME: replaces NAME-1, then NAME-2. Each gets nothing new, finishes what it holds, and is back before the other one
# goes. Ended before that, by a fault or a lost terminal, it leaves nginx both.
roll() {
  local name=$1 index
  trap undrain_all EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  for index in 1 2; do
    say "$name-$index: no new calls; waiting for those that run"
    docker compose exec -T nginx front drain "$index"
    docker compose up -d --no-deps --no-build --force-recreate "$name-$index"
    wait_for 60 "$name-$index is ready" answers "$name-$index" /ready
    docker compose exec -T nginx front undrain "$index"
    say "$name-$index: ready"
  done
}
