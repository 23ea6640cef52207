#!/usr/bin/env bash
# Brings monitoring up, or to what .env says now. Can be run again at any time.
#   ./up.sh           writes secrets/ and prometheus/targets, and starts everything
#   ./up.sh files     only writes the files
set -euo pipefail
cd "$(dirname "$0")"
# A copy in /opt/monitoring finds it in the checkout.
deploy=$([[ -e ../lib/stack.sh ]] && echo .. || echo /opt/llm-proxy/deploy)
# shellcheck source=../lib/stack.sh
. "$deploy/lib/stack.sh"

value_or() {
  local value
  value=$(env_value "$1")
  printf '%s' "${value:-$2}"
}

# A name or address, perhaps with a port: it becomes part of YAML files.
checked() {
  [[ $2 =~ ^[A-Za-z0-9.:_-]+$ ]] || fail "$1 is \"$2\" in .env: give a name or an address, such as $3"
  printf '%s' "$2"
}

read_env() {
  primary=$(checked OVERSEAS_PRIMARY "$(env_value OVERSEAS_PRIMARY)" llm-proxy.example.com)
  backup=$(env_value OVERSEAS_BACKUP)
  [[ -z $backup ]] || backup=$(checked OVERSEAS_BACKUP "$backup" llm-proxy-backup.example.com)
  bff=$(checked BFF_ADDRESS "$(value_or BFF_ADDRESS 127.0.0.1:8081)" 127.0.0.1:8081)
  bff_metrics=$(env_value BFF_METRICS)
  [[ -z $bff_metrics || $bff_metrics =~ ^[A-Za-z0-9.:,_-]+$ ]] || fail "BFF_METRICS is \"$bff_metrics\" in .env: give HOST:PORT of each BFF, with commas"
  [[ $bff != - || -n $bff_metrics ]] || fail 'BFF_ADDRESS is - in .env, and the BFFs would be unwatched: set BFF_METRICS to HOST:PORT of each'
  redis=$(checked REDIS_ADDRESS "$(value_or REDIS_ADDRESS 172.30.84.6:6379)" 127.0.0.1:6379)
  redis_cache=$(checked REDIS_CACHE_ADDRESS "$(value_or REDIS_CACHE_ADDRESS 172.30.84.7:6379)" 127.0.0.1:6380)
  voicebox=$(checked VOICEBOX_ADDRESS "$(value_or VOICEBOX_ADDRESS 127.0.0.1:8080)" 127.0.0.1:8080)
}

write_client_certificate() {
  local name from
  # Where Prometheus's container has them mounted: within a folder that it cannot write to.
  mkdir -p prometheus/secrets
  for name in cert key; do
    from=$(value_or "METRICS_CLIENT_${name^^}" "secrets/metrics-client.${name/cert/crt}")
    # Restored on another host, whose copy is as good.
    if [[ ! -r $from && -s secrets/scrape/metrics-client.${name/cert/crt} ]]; then
      say "METRICS_CLIENT_${name^^}=$from cannot be read: what secrets/scrape has of it stays as it is"
      continue
    fi
    [[ -r $from ]] || fail "METRICS_CLIENT_${name^^} is $from, which cannot be read: the overseas hosts show metrics to a client certificate alone (docs/deploy)"
    write_secret scrape "metrics-client.${name/cert/crt}" "$(<"$from")"
  done
}

write_robots() {
  local name count=0
  for name in DINGTALK_WEBHOOK_URL DINGTALK_SECRET FEISHU_WEBHOOK_URL FEISHU_SECRET WECOM_WEBHOOK_URL; do
    write_secret notify "${name,,}" "$(env_value "$name")"
    [[ $name == *_SECRET || -z $(env_value "$name") ]] || ((++count))
  done
  ((count)) || fail 'nobody would hear of an alert: set DINGTALK_WEBHOOK_URL, FEISHU_WEBHOOK_URL or WECOM_WEBHOOK_URL in .env'
}

write_passwords() {
  local password made=$deploy/domestic/secrets/redis/password
  write_secret grafana admin_password "$(made_secret grafana admin_password GRAFANA_ADMIN_PASSWORD)"
  password=$(env_value REDIS_PASSWORD)
  [[ -n $password || ! -r $made ]] || password=$(<"$made")
  [[ $password =~ ^[A-Za-z0-9._~-]+$ ]] || fail "there is no password of Redis: set REDIS_PASSWORD in .env, or start deploy/domestic first, which makes one ($made)"
  write_secret redis passwords.json "{\"redis://$redis\": \"$password\", \"redis://$redis_cache\": \"$password\"}"
}

# targets NAME: what follows becomes prometheus/targets/NAME.yml.
targets() {
  mkdir -p prometheus/targets
  cat >"prometheus/targets/.$1.new"
  mv "prometheus/targets/.$1.new" "prometheus/targets/$1.yml"
}

each_host() { "$1" primary "$primary"; if [[ -n $backup ]]; then "$1" backup "$backup"; fi; }
with_port() { if [[ $1 == *:* ]]; then echo "$1"; else echo "$1:443"; fi; }

relays_of() {
  local n
  for n in 1 2; do
    echo "- targets: [$(with_port "$2")]"
    echo "  labels: { instance: $1/relay-$n, host: $1, relay: relay-$n, __metrics_path__: /metrics/relay-$n }"
  done
}
node_of() {
  echo "- targets: [$(with_port "$2")]"
  echo "  labels: { instance: $1, host: $1, side: overseas, __scheme__: https, __metrics_path__: /metrics/node }"
}
probe_of() {
  echo "- targets: [https://$2/health]"
  echo "  labels: { host: $1, __exporter__: 127.0.0.1:9115 }"
}
bffs() {
  local n=0 address addresses
  if [[ -z $bff_metrics ]]; then
    for n in 1 2; do
      printf -- '- targets: [%s]\n  labels: { instance: bff-%s, __metrics_path__: /metrics/bff-%s }\n' "$bff" $n $n
    done
    return
  fi
  IFS=, read -ra addresses <<<"$bff_metrics"
  for address in "${addresses[@]}"; do printf -- '- targets: [%s]\n  labels: { instance: bff-%s }\n' "$address" $((++n)); done
}
nginx_here() {
  [[ $bff == - ]] || printf -- '- targets: [127.0.0.1:9113]\n  labels: { instance: domestic, host: domestic }\n'
}
nginx_of() {
  echo "- targets: [127.0.0.1:$([[ $1 == primary ]] && echo 9114 || echo 9116)]"
  echo "  labels: { instance: $1, host: $1 }"
}
redis_at() {
  [[ $2 == - ]] && return
  echo "- targets: [redis://$2]"
  echo "  labels: { store: $1, __exporter__: 127.0.0.1:9121 }"
}

write_targets() {
  { echo '# The relays, by nginx of each host.' && each_host relays_of; } | targets relays
  { echo '# The BFFs, by nginx before them or themselves.' && bffs; } | targets bff
  { echo '# redis_exporter asks each: the counters, and the cache of answers.' && redis_at counters "$redis" && redis_at cache "$redis_cache"; } | targets redis
  { echo '# An nginx exporter for each nginx.' && nginx_here && each_host nginx_of; } | targets nginx
  { echo '# node_exporter here, and overseas by nginx.' && printf -- '- targets: [127.0.0.1:9100]\n  labels: { instance: domestic, host: domestic, side: domestic }\n' && each_host node_of; } | targets nodes
  { echo '# __exporter__ is where blackbox_exporter listens.' && each_host probe_of; } | targets probes
  { echo '# VoiceBox, where there is one.' && if [[ $voicebox != - ]]; then echo "- targets: [$voicebox]"; else echo '[]'; fi; } | targets voicebox
  echo '- targets: [127.0.0.1:9093]' | targets alertmanager
}

[[ -f .env ]] || fail 'there is no .env here: cp .env.example .env, fill it in, and run this again'
read_env
write_client_certificate
write_robots
write_passwords
write_targets
[[ ${1:-} == files ]] && exit
require_env_file
profile=()
if [[ -n $backup ]]; then profile=(--profile backup); fi
docker compose "${profile[@]}" pull --quiet
# Anew each time: most of them read their files as they start. What Prometheus knows is in its volume.
docker compose "${profile[@]}" up -d --force-recreate --remove-orphans
say "running. Grafana: ssh -L 3300:127.0.0.1:3300 THIS-HOST, user ferry, password in $PWD/secrets/grafana/admin_password"
