-- For wrk, one thread: posts a request again and again, each with the next number in the places of its numbers.
-- Arguments: the file of the request, what stands for a number in it, the first number, how many digits it has.
local parts, number, digits = {}, 0, ""

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  local text, place, from = file:read("*a"), arguments[2], 1
  file:close()
  while true do
    local at, till = text:find(place, from, true)
    parts[#parts + 1] = text:sub(from, (at or 0) - 1)
    if not at then break end
    from = till + 1
  end
  number, digits = tonumber(arguments[3]), "%0" .. arguments[4] .. "d"
end

function request()
  local made = table.concat(parts, digits:format(number))
  number = number + 1
  return made
end

function done(summary, latency, _)
  local failed = summary.errors
  print(string.format('{"answered": %d, "seconds": %.6f, "refused": %d, "broken": %d}', summary.requests,
    summary.duration / 1e6, failed.status, failed.connect + failed.read + failed.write + failed.timeout))
end
