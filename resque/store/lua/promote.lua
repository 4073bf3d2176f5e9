-- Promote: jobs whose time has come move to the back of their queue, those that were due first before the others.
-- KEYS    delayed, payloads, queue
-- ARGV    push command of the back, how many at most, bytes in all
-- Returns {how many moved, 1 if more is due, due time of the next one or '', how many had no payload, error or ''}
-- Called by the scheduler, on any number of hosts at once.
-- Pushed before removed. An entry without a payload is nothing that could be run: it goes, and is counted. Jobs move in
-- chunks, so that many large ones are not read together.
local push, want, budget = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
local moved, broken, trouble = 0, 0, ''

local function due(ids)
  local raws = redis.pcall('HMGET', KEYS[2], unpack(ids))
  if raws.err then return nil, raws.err end
  local jobs, all = {}, #ids
  for i = 1, all do
    if raws[i] then
      jobs[#jobs + 1] = raws[i]
      budget = budget - #raws[i]
    end
    if budget < 1 then
      for j = all, i + 1, -1 do ids[j] = nil end
      break
    end
  end
  return jobs
end

if redis.call('EXISTS', KEYS[1]) == 1 then
  -- Tried first on nothing: a right that is missing stops the script before it has written, not half way.
  redis.call('ZREM', KEYS[1] .. ':none', '')
  redis.call('HDEL', KEYS[2] .. ':none', '')
end
while want > 0 and budget > 0 and trouble == '' do
  local ids = redis.pcall('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, math.min(want, 100))
  local jobs, pushed
  if ids.err then
    trouble = ids.err
  elseif #ids == 0 then
    break
  else
    jobs, trouble = due(ids)
    trouble = trouble or ''
  end
  if jobs and #jobs > 0 then
    pushed = redis.pcall(push, KEYS[3], unpack(jobs))
    if type(pushed) == 'table' then trouble = pushed.err end
  end
  if trouble == '' then
    redis.call('ZREM', KEYS[1], unpack(ids))
    redis.call('HDEL', KEYS[2], unpack(ids))
    moved, broken, want = moved + #jobs, broken + #ids - #jobs, want - #ids
  end
end
local first = redis.pcall('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
local left = first[2] and tonumber(first[2]) <= tonumber(now) and 1 or 0
return {moved, left, first[2] or '', broken, trouble}
