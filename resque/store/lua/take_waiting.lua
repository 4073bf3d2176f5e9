-- Take_waiting: a waiting job is dropped before anybody reserves it, and counted as cancelled.
-- KEYS    queue, attempts, stat:cancelled, metrics; the lock, if it has one
-- ARGV    payload, id, field of metrics ('' = none), life of metrics in s, LREM count (search from the back), how far
-- Returns 1, or 0 when it does not wait (any more), or is further from both ends than the search goes
-- Called by admin. Of byte-equal twins the one that would run last goes. The lock is freed if it names this job.
local raw, id, from = ARGV[1], ARGV[2], tonumber(ARGV[5])
if not redis.call('LPOS', KEYS[1], raw, 'RANK', from, 'MAXLEN', ARGV[6]) then
  from = -from
  if not redis.call('LPOS', KEYS[1], raw, 'RANK', from, 'MAXLEN', ARGV[6]) then return 0 end
end
redis.call('LREM', KEYS[1], from, raw)
redis.pcall('HDEL', KEYS[2], id)
redis.pcall('INCR', KEYS[3])
if ARGV[3] ~= '' then
  redis.pcall('HINCRBY', KEYS[4], ARGV[3], 1)
  redis.pcall('EXPIRE', KEYS[4], ARGV[4])
end
if KEYS[5] and redis.pcall('GET', KEYS[5]) == id then redis.pcall('DEL', KEYS[5]) end
return 1
