-- Mark: a job gets a tombstone: whoever meets it under this id within the time does not start it.
-- KEYS    cancelled
-- ARGV    id, until when in s, how many tombstones at most
-- Returns 1 if it had none, else 0
-- Called by admin. Those that have expired go, and if there are still too many, those that expire next.
local time = redis.call('TIME')
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', time[1])
local new = redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -tonumber(ARGV[3]) - 1)
return new
