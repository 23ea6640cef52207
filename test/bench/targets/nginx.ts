import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CALLER_TOKEN, program, type Rig, VENDOR_KEY } from '../rig.ts'
import { type Target, vendorAsk } from './target.ts'

const FOLDERS = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']

const configuration = ({ vendorPort }: Rig, port: number, folder: string): string => `
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log crit;
events { worker_connections 20000; multi_accept on; }
http {
  access_log ${folder}/access.log;
  ${FOLDERS.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
  keepalive_requests 1000000000;
  client_body_buffer_size 64k;
  client_max_body_size 10m;
  upstream vendor { server 127.0.0.1:${vendorPort}; keepalive 1024; keepalive_requests 1000000000; }
  map $uri $bearer { default "Bearer ${VENDOR_KEY}"; ~^/v1/messages ""; ~^/v1beta/ ""; }
  map $uri $x_api_key { default ""; ~^/v1/messages "${VENDOR_KEY}"; }
  map $uri $x_goog_api_key { default ""; ~^/v1beta/ "${VENDOR_KEY}"; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      if ($http_authorization != "Bearer ${CALLER_TOKEN}") { return 401; }
      proxy_pass http://vendor;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization $bearer;
      proxy_set_header x-api-key $x_api_key;
      proxy_set_header x-goog-api-key $x_goog_api_key;
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_read_timeout 300s;
    }
  }
}`

/** What a relay could cost at best, near enough. */
export const nginx: Target = {
  name: 'nginx',
  about: 'one worker: token compared, key put in, unbuffered, access log to a file; no metrics',
  holdsStreams: true,
  swapsKey: true,
  prepare(rig, port) {
    const folder = join(rig.run, 'nginx')
    mkdirSync(folder, { recursive: true })
    const file = join(folder, 'nginx.conf')
    writeFileSync(file, configuration(rig, port, folder))
    return { file: program('nginx'), args: ['-e', join(folder, 'error.log'), '-p', folder, '-c', file] }
  },
  ask: (order) => vendorAsk(order),
}
