-- Posts deliveries, each once, signed beforehand. Argument: a file with a path, a signature and a body a line.
local wanted, n = {}, 0

function init(args)
  for line in io.lines(args[1]) do
    local path, mark, body = line:match("^(%S+) (%S+) (.+)$")
    wanted[#wanted + 1] = { path = path, mark = mark, body = body }
  end
end

function request()
  n = n + 1
  local to = wanted[(n - 1) % #wanted + 1]
  return wrk.format("POST", to.path, { ["Content-Type"] = "application/json", ["X-Signature"] = to.mark }, to.body)
end

function done(summary, latency, requests)
  local bad = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format('{"requests":%d,"seconds":%f,"bad":%d,"p99_us":%f}\n',
    summary.requests, summary.duration / 1e6, bad, latency:percentile(99)))
end
