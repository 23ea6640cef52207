-- POST load for wrk. BODY and HEADERS ("Name: value" lines) come from the environment; the result is one JSON line.
-- "{1-N}" in a header is another number for each request. PORTS, where given, are served by one thread each.
wrk.method = 'POST'
wrk.body = os.getenv('BODY') or '{}'
wrk.headers['Content-Type'] = 'application/json'
for line in (os.getenv('HEADERS') or ''):gmatch('[^\n]+') do
  local name, value = line:match('^([^:]+):%s*(.*)$')
  if name then wrk.headers[name] = value end
end

local ports = {}
for port in (os.getenv('PORTS') or ''):gmatch('%d+') do ports[#ports + 1] = port end
local threads = 0

function setup(thread)
  if #ports == 0 then return end
  thread.addr = wrk.lookup('127.0.0.1', ports[threads % #ports + 1])[1]
  threads = threads + 1
end

if (os.getenv('HEADERS') or ''):find('{1%-%d+}') then
  math.randomseed(os.time())
  local template
  function request()
    template = template or wrk.format()
    return (template:gsub('{1%-(%d+)}', function(most) return string.format('%d', math.random(tonumber(most))) end))
  end
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'JSON {"requests":%d,"seconds":%.4f,"errors":%d,"p50":%.1f,"p99":%.1f}\n',
    summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
