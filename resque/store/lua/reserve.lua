-- Reserve: move waiting jobs from the front of queues into this worker's in-flight lists.
-- KEYS    pause-all-workers; then five a queue: queue, inflight, leases, paused, oversize
-- ARGV    front side, back side, worker, lease in ms, how many, largest entry in bytes, bytes in all
-- Returns for each queue that gave something or cannot: {position, length of inflight, payloads, error or ''};
--         a paused queue has the length -2, one in trouble -1
-- Called by a worker's turn.
-- A paused queue gives nothing. The lease is written before the first job moves; LMOVE is the moving command and
-- leaves the receipt. One queue of a wrong type strands no other. An entry that is too large moves on, unread.
local front, back, me = ARGV[1], ARGV[2], ARGV[3]
local lease, want, largest, budget = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local pause = redis.pcall('GET', KEYS[1])
local all_paused = type(pause) == 'string' and string.lower(string.match(pause, '^%s*(.-)%s*$')) == 'true'
local time = redis.call('TIME')
local lease_end = time[1] * 1000 + math.floor(time[2] / 1000) + lease

local function take(queue, inflight, oversize, waiting)
  local got, trouble = {}, ''
  for _ = 1, waiting do
    if want < 1 or budget < 1 then break end
    local raw = redis.pcall('LMOVE', queue, inflight, front, back)
    if type(raw) == 'table' then trouble = raw.err break end
    if not raw then break end
    if #raw > largest then
      redis.pcall('LMOVE', inflight, oversize, back, back)
    else
      got[#got + 1], want, budget = raw, want - 1, budget - #raw
    end
  end
  return got, trouble
end

local out = {}
for k = 2, #KEYS, 5 do
  if want < 1 or budget < 1 then break end
  local queue, inflight, position = KEYS[k], KEYS[k + 1], (k - 2) / 5
  local waiting = redis.pcall('LLEN', queue)
  local trouble = type(waiting) == 'table' and waiting.err or ''
  if all_paused or redis.call('EXISTS', KEYS[k + 3]) == 1 then
    out[#out + 1] = {position, -2, {}, ''}
  elseif trouble == '' and waiting > 0 then
    local leased = redis.pcall('ZADD', KEYS[k + 2], lease_end, me)
    if type(leased) == 'table' then
      trouble = leased.err
    else
      local got
      got, trouble = take(queue, inflight, KEYS[k + 4], waiting)
      if #got > 0 then
        out[#out + 1] = {position, redis.call('LLEN', inflight), got, trouble}
        trouble = ''
      end
    end
  end
  if trouble ~= '' then out[#out + 1] = {position, -1, {}, trouble} end
end
return out
