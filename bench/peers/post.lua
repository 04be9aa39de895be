-- Posts messages to conversations in turn, each under an id of its own. Argument: a file with a path and a token a line.
local wanted, n = {}, 0

function init(args)
  for line in io.lines(args[1]) do
    local path, token = line:match("^(%S+) (%S+)$")
    wanted[#wanted + 1] = { path = path, token = token }
  end
end

function request()
  n = n + 1
  local to = wanted[n % #wanted + 1]
  local body = string.format('{"type":"message","id":"w%d","from":{"id":"dl_bench"},"text":"Where is order 1042?"}', n)
  local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. to.token }
  return wrk.format("POST", to.path, headers, body)
end

function done(summary, latency, requests)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format('{"requests":%d,"seconds":%f,"bad":%d,"p99_us":%f}\n',
    summary.requests, summary.duration / 1e6, bad, latency:percentile(99)))
end
