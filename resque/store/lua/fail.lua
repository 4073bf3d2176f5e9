-- Fail: jobs move from an in-flight list to failed and are counted, each at most once.
-- KEYS    inflight, failed, stat:processed, stat:processed:<id>, stat:failed, stat:failed:<id>, metrics, attempts;
--         then the locks that rows name by their place
-- ARGV    LREM count (search from the front), push command of failed, life of metrics in s; then six an entry:
--         payload, failure record, two fields of metrics (failed, run bucket), id ('' = unknown), its lock (0 =
--         none)
-- Returns {how many were ours, length of inflight, error or ''}
-- Called by a worker's turn, and by recovery for jobs that keep killing their worker. The record is written before
-- the payload is removed: a script that is stopped between the two keeps the job. The errors of earlier attempts
-- end up in the record, before its last brace.
local from, push = ARGV[1], ARGV[2]
-- Tried first on nothing: a right that is missing stops the script before it has written, not half way.
redis.call('LREM', KEYS[1] .. ':none', 1, '')
local rank = tonumber(from)
local ours, trouble = 0, ''

local function with_attempts(record, id)
  local errors = id ~= '' and redis.pcall('HGET', KEYS[8], id)
  if type(errors) ~= 'string' or errors == '' or string.sub(record, -1) ~= '}' then return record end
  return string.sub(record, 1, -2) .. ',"attempts":[' .. string.gsub(errors, '\n', ',') .. ']}'
end

for a = 4, #ARGV, 6 do
  if redis.call('LPOS', KEYS[1], ARGV[a], 'RANK', rank) then
    local id, lock = ARGV[a + 4], KEYS[tonumber(ARGV[a + 5])]
    local pushed = redis.pcall(push, KEYS[2], with_attempts(ARGV[a + 1], id))
    if type(pushed) == 'table' then
      trouble = pushed.err
    else
      redis.call('LREM', KEYS[1], from, ARGV[a])
      ours = ours + 1
      if id ~= '' then redis.pcall('HDEL', KEYS[8], id) end
      if lock and redis.pcall('GET', lock) == id then redis.pcall('DEL', lock) end
      for f = a + 2, a + 3 do
        if ARGV[f] ~= '' then redis.pcall('HINCRBY', KEYS[7], ARGV[f], 1) end
      end
    end
  end
end
if ours > 0 then
  for k = 3, 6 do redis.pcall('INCRBY', KEYS[k], ours) end
  redis.pcall('EXPIRE', KEYS[7], ARGV[3])
end
return {ours, redis.call('LLEN', KEYS[1]), trouble}
