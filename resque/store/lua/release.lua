-- Release: jobs go back from an in-flight list to the front of their queue.
-- KEYS    inflight, queue
-- ARGV    LREM count (search from the back), push command of the front;
--         then pairs, the last reserved first: payload, what to put in its place ('' = itself)
-- Returns {how many were ours, length of inflight, error or ''}
-- Called by a worker's turn (not started in time, drain), and by recovery (with one crash more in the payload).
-- Pushed before removed; the last reserved goes first, so that the queue has its old order again.
local from, push = ARGV[1], ARGV[2]
-- Tried first on nothing: a right that is missing stops the script before it has written, not half way.
redis.call('LREM', KEYS[1] .. ':none', 1, '')
local rank = tonumber(from)
local ours, trouble = 0, ''
for a = 3, #ARGV, 2 do
  if redis.call('LPOS', KEYS[1], ARGV[a], 'RANK', rank) then
    local pushed = redis.pcall(push, KEYS[2], ARGV[a + 1] == '' and ARGV[a] or ARGV[a + 1])
    if type(pushed) == 'table' then
      trouble = pushed.err
    else
      redis.call('LREM', KEYS[1], from, ARGV[a])
      ours = ours + 1
    end
  end
end
return {ours, redis.call('LLEN', KEYS[1]), trouble}
