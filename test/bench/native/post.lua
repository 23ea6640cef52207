-- POST load for wrk. BODY and HEADERS ("Name: value" lines) come from the environment; the result is one JSON line.
wrk.method = 'POST'
wrk.body = os.getenv('BODY') or '{}'
wrk.headers['Content-Type'] = 'application/json'
for line in (os.getenv('HEADERS') or ''):gmatch('[^\n]+') do
  local name, value = line:match('^([^:]+):%s*(.*)$')
  if name then wrk.headers[name] = value end
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'JSON {"requests":%d,"seconds":%.4f,"errors":%d,"p50":%.1f,"p99":%.1f}\n',
    summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
