-- Unlock: a unique lock is freed, if it still names this job.
-- KEYS    lock
-- ARGV    id
-- Returns 1, or 0 when it is free or names another job
-- Called by workers when a job starts, for locks that are held until then.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
