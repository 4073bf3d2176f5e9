-- Fail: jobs move from an in-flight list to failed and are counted, each at most once.
-- KEYS    inflight, failed, stat:processed, stat:processed:<id>, stat:failed, stat:failed:<id>, metrics
-- ARGV    LREM count (search from the front), push command of failed, life of metrics in s;
--         then four an entry: payload, failure record, two fields of metrics (failed, run bucket)
-- Returns {how many were ours, length of inflight, error or ''}
-- Called by a worker's turn, and by recovery for jobs that keep killing their worker.
-- The record is written before the payload is removed: a script that is stopped between the two keeps the job.
local from, push = ARGV[1], ARGV[2]
-- Tried first on nothing: a right that is missing stops the script before it has written, not half way.
redis.call('LREM', KEYS[1] .. ':none', 1, '')
local rank = tonumber(from)
local ours, trouble = 0, ''
for a = 4, #ARGV, 4 do
  if redis.call('LPOS', KEYS[1], ARGV[a], 'RANK', rank) then
    local pushed = redis.pcall(push, KEYS[2], ARGV[a + 1])
    if type(pushed) == 'table' then
      trouble = pushed.err
    else
      redis.call('LREM', KEYS[1], from, ARGV[a])
      ours = ours + 1
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
