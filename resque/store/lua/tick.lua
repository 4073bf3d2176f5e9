-- Tick: a periodic job is pushed to the back of its queue, once for each tick.
-- KEYS    runs, queue
-- ARGV    tick, id, payload, push command, how many runs are remembered
-- Returns 1 if this call fired it, 0 if this tick or a later one was fired already
-- Called by the scheduler, on any number of hosts at once. A full server refuses it: the tick can still be fired then.
-- Both or neither: the record is written first, since its key is ours alone, and taken back if the push is refused.
local last = redis.call('LINDEX', KEYS[1], 0)
local newest = last and tonumber(string.match(last, '^%S+'))
if newest and newest >= tonumber(ARGV[1]) then return 0 end
redis.call('LPUSH', KEYS[1], ARGV[1] .. ' ' .. ARGV[2])
local pushed = redis.pcall(ARGV[4], KEYS[2], ARGV[3])
if type(pushed) == 'table' then
  redis.call('LTRIM', KEYS[1], 1, -1)
  return pushed
end
redis.pcall('LTRIM', KEYS[1], 0, ARGV[5] - 1)
return 1
