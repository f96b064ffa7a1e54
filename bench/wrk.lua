-- One work, asked over and over; every answer is looked at.
-- wrk ... -s bench/wrk.lua URL -- JOB, where JOB is a file of "name=value" lines (bench/load.py).
--
-- job.takes says where a request's token comes from (bench/load.py, Shape). Who finds nothing to
-- take asks for /starved and is counted: such a cell is void.

local job = {}
local queue, first, last = {}, 1, 0
local proofs, next_proof = {}, 0
local spent = {}
good, bad, starved, forgiven = 0, 0, 0, 0
first_error = ""

local handle

function setup(thread)
  handle = thread
end

local function put(token)
  last = last + 1
  queue[last] = token
end

function init(args)
  for line in io.lines(args[1]) do
    local name, value = line:match("^(%w+)=(.*)$")
    job[name] = value
  end
  job.status = tonumber(job.status)
  if job.tokens ~= "" then
    for line in io.lines(job.tokens) do
      put(line)
    end
  end
  if job.proofs ~= "" then
    for line in io.lines(job.proofs) do
      proofs[#proofs + 1] = line
    end
  end
  wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
  for field in job.headers:gmatch("[^\t]+") do
    local name, value = field:match("^([^:]+): (.*)$")
    wrk.headers[name] = value
  end
  if job.basic ~= "" then
    wrk.headers["Authorization"] = "Basic " .. job.basic
  end
end

local function take()
  if first > last then
    return nil
  end
  local token = queue[first]
  queue[first] = nil
  first = first + 1
  return token
end

local function starve()
  starved = starved + 1
  return wrk.format("GET", "/starved")
end

function request()
  if job.proofs ~= "" then
    next_proof = next_proof + 1
    if proofs[next_proof] == nil then
      return starve()
    end
    wrk.headers["DPoP"] = proofs[next_proof]
  end
  if job.takes == "" then
    return wrk.format(job.method, job.path, nil, job.body)
  end
  local token = take()
  if token == nil then
    if job.takes == "codes" then
      return wrk.format("GET", job.authorize, { ["Cookie"] = job.cookie })
    end
    return starve()
  end
  if job.takes == "again" then
    put(token)
  elseif job.takes == "rotates" then
    spent[token] = true
  end
  return wrk.format(job.method, job.path, nil, job.body .. token)
end

local function code_of(headers)
  for name, value in pairs(headers) do
    if name:lower() == "location" then
      return value:match("[?&]code=([^&]+)")
    end
  end
end

local function has(headers, wanted)
  for name, value in pairs(headers) do
    if name:lower() == wanted then
      return value ~= ""
    end
  end
  return false
end

function response(status, headers, body)
  if status == 404 and forgiven < starved then
    forgiven = forgiven + 1 -- the answer to /starved, which is counted already
    return
  end
  if job.takes == "codes" and (status == 302 or status == 303) then
    local code = code_of(headers)
    if code ~= nil then
      put(code)
      return -- half the way: the tokens count
    end
  end
  local right = status == job.status
  for mark in job.marks:gmatch("[^ ]+") do
    right = right and body:find('"' .. mark .. '"', 1, true) ~= nil
  end
  if right and job.header ~= "" then
    right = has(headers, job.header)
  end
  if right and job.takes == "again" then
    right = body:match('"active"%s*:%s*true') ~= nil
  elseif right and job.takes == "rotates" then
    local token = body:match('"refresh_token"%s*:%s*"([^"]+)"')
    right = token ~= nil and not spent[token]
    if right then
      put(token)
    end
  end
  if right then
    good = good + 1
  else
    bad = bad + 1
    if first_error == "" then
      first_error = status .. " " .. body:sub(1, 200):gsub("[%c\"\\]", " ")
    end
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\n{"good": %d, "bad": %d, "starved": %d, "socket_errors": %d, "seconds": %.6f,'
      .. ' "p50_ms": %.3f, "p95_ms": %.3f, "p99_ms": %.3f, "first_error": "%s"}\n',
    handle:get("good"), handle:get("bad"), handle:get("starved"),
    errors.connect + errors.read + errors.write + errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(95) / 1e3,
    latency:percentile(99) / 1e3,
    handle:get("first_error")))
end
