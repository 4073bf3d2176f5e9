-- Drop: jobs leave an in-flight list for good without having been done, and are counted, each at most once.
-- KEYS    inflight, attempts, cancelled, metrics; then the counters and locks that rows name by their place in KEYS
-- ARGV    LREM count (search from the front), life of metrics in s; then a job: payload, its counter, id, its lock
--         (0 = none), number of fields of metrics, the fields
-- Returns {how many were ours, length of inflight}
-- Called by a worker's turn. What else was kept about the job goes with it: the errors of earlier attempts, the
-- tombstone that it was met under, and its lock if that names this job.
local from = ARGV[1]
local ours = 0
local a = 3
while a <= #ARGV do
  local id, lock, fields = ARGV[a + 2], KEYS[tonumber(ARGV[a + 3])], tonumber(ARGV[a + 4])
  if redis.call('LREM', KEYS[1], from, ARGV[a]) == 1 then
    ours = ours + 1
    redis.pcall('INCR', KEYS[tonumber(ARGV[a + 1])])
    redis.pcall('HDEL', KEYS[2], id)
    redis.pcall('ZREM', KEYS[3], id)
    if lock and redis.pcall('GET', lock) == id then redis.pcall('DEL', lock) end
    for f = a + 5, a + 4 + fields do
      if ARGV[f] ~= '' then redis.pcall('HINCRBY', KEYS[4], ARGV[f], 1) end
    end
  end
  a = a + 5 + fields
end
if ours > 0 then redis.pcall('EXPIRE', KEYS[4], ARGV[2]) end
return {ours, redis.call('LLEN', KEYS[1])}
