-- Run_now: a delayed job goes to its queue before its time.
-- KEYS    delayed, payloads, queue
-- ARGV    id, push command
-- Returns 1, or 0 when it is not delayed (any more)
-- Called by admin. Pushed before removed; of two who press at once one moves it.
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
local raw = redis.call('HGET', KEYS[2], ARGV[1])
if not raw then return 0 end
-- Tried first on nothing: a right that is missing stops the script before it has written, not half way.
redis.call('ZREM', KEYS[1] .. ':none', '')
redis.call('HDEL', KEYS[2] .. ':none', '')
redis.call(ARGV[2], KEYS[3], raw)
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return 1
