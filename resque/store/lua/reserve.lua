-- Reserve: move waiting jobs from the front of queues into this worker's in-flight lists.
-- KEYS    pause-all-workers; then six a queue: queue, inflight, leases, paused, oversize, cancelled
-- ARGV    front side, back side, worker, lease in ms, how many, largest entry in bytes, bytes in all
-- Returns for each queue that gave something or cannot: {position, length of inflight, payloads, error or '',
--         1 if there are tombstones}; a paused queue has the length -2, one in trouble -1
-- Called by a worker's turn.
-- A paused queue gives nothing. The lease is written before the first job moves. Jobs move in chunks: read, push to
-- in-flight, then trim the queue; the new place is written before the old one is cleared, and 500 jobs cost half of what
-- 500 LMOVEs cost. Chunks start small, so that a few huge entries are not read together. One queue of a wrong type
-- strands no other. An entry that is too large moves aside, unread.
local front, back, me = ARGV[1], ARGV[2], ARGV[3]
local lease, want, largest, budget = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local pause = redis.pcall('GET', KEYS[1])
local all_paused = type(pause) == 'string' and string.lower(string.match(pause, '^%s*(.-)%s*$')) == 'true'
local time = redis.call('TIME')
local lease_end = time[1] * 1000 + math.floor(time[2] / 1000) + lease

local function peek(queue, count)
  if front == 'LEFT' then return redis.pcall('LRANGE', queue, 0, count - 1) end
  local raws = redis.pcall('LRANGE', queue, -count, -1)
  for i = 1, math.floor(#raws / 2) do raws[i], raws[#raws + 1 - i] = raws[#raws + 1 - i], raws[i] end
  return raws
end

local function move(queue, inflight, raws, count)
  local pushed = redis.pcall(back == 'LEFT' and 'LPUSH' or 'RPUSH', inflight, unpack(raws, 1, count))
  if type(pushed) == 'table' then return pushed end
  if front == 'LEFT' then return redis.pcall('LTRIM', queue, count, -1) end
  return redis.pcall('LTRIM', queue, 0, -count - 1)
end

local function take(queue, inflight, oversize, waiting)
  local got, chunk = {}, 16
  -- A right that is missing must show before the first write: what is pushed and not trimmed is there twice.
  local may = redis.pcall('LTRIM', inflight, 0, -1)
  if may.err then return got, may.err end
  while waiting > 0 and want > 0 and budget > 0 do
    local raws = peek(queue, math.min(chunk, want, waiting))
    if raws.err then return got, raws.err end
    local fit, size = 0, 0
    while fit < #raws and #raws[fit + 1] <= largest and size < budget do
      fit = fit + 1
      size = size + #raws[fit]
    end
    local moved
    if fit > 0 then
      moved = move(queue, inflight, raws, fit)
    else
      moved = redis.pcall('LMOVE', queue, oversize, front, back)
    end
    if type(moved) == 'table' and moved.err then return got, moved.err end
    for i = 1, fit do got[#got + 1] = raws[i] end
    want, budget, waiting, chunk = want - fit, budget - size, waiting - math.max(fit, 1), chunk * 2
  end
  return got, ''
end

local out = {}
for k = 2, #KEYS, 6 do
  if want < 1 or budget < 1 then break end
  local queue, inflight, position = KEYS[k], KEYS[k + 1], (k - 2) / 6
  local waiting = redis.pcall('LLEN', queue)
  local trouble = type(waiting) == 'table' and waiting.err or ''
  if all_paused or redis.call('EXISTS', KEYS[k + 3]) == 1 then
    out[#out + 1] = {position, -2, {}, '', 0}
  elseif trouble == '' and waiting > 0 then
    local leased = redis.pcall('ZADD', KEYS[k + 2], lease_end, me)
    if type(leased) == 'table' then
      trouble = leased.err
    else
      local got
      got, trouble = take(queue, inflight, KEYS[k + 4], waiting)
      if #got > 0 then
        out[#out + 1] = {position, redis.call('LLEN', inflight), got, trouble, redis.call('EXISTS', KEYS[k + 5])}
        trouble = ''
      end
    end
  end
  if trouble ~= '' then out[#out + 1] = {position, -1, {}, trouble, 0} end
end
return out
