-- Reschedule: a delayed job gets another due time.
-- KEYS    delayed
-- ARGV    id, due time in s
-- Returns 1, or 0 when it is not delayed (any more)
-- Called by admin. ZADD alone would not tell a job that is absent from one that has this time already.
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], 'XX', ARGV[2], ARGV[1])
return 1
