-- Cancel: a delayed job is dropped, and counted.
-- KEYS    delayed, payloads, attempts, stat:cancelled, metrics; the lock, if it has one
-- ARGV    id, field of metrics ('' = none), life of metrics in s
-- Returns 1, or 0 when it is not delayed (any more)
-- Called by admin. The lock is freed if it names this job.
-- Tried first on nothing: a right that is missing stops the script before it has written, not half way.
redis.call('HDEL', KEYS[2] .. ':none', '')
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.pcall('HDEL', KEYS[2], ARGV[1])
redis.pcall('HDEL', KEYS[3], ARGV[1])
redis.pcall('INCR', KEYS[4])
if ARGV[2] ~= '' then
  redis.pcall('HINCRBY', KEYS[5], ARGV[2], 1)
  redis.pcall('EXPIRE', KEYS[5], ARGV[3])
end
if KEYS[6] and redis.pcall('GET', KEYS[6]) == ARGV[1] then redis.pcall('DEL', KEYS[6]) end
return 1
