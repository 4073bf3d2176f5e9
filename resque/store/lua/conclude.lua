-- Conclude: done jobs leave this worker's in-flight list and are counted, each at most once; what was kept about
--         their earlier attempts goes, and their locks are freed.
-- KEYS    inflight, stat:processed, stat:processed:<id>, metrics, attempts; then the locks that rows name by their
--         place
-- ARGV    LREM count (search from the front), life of metrics in s; then a job: payload, id, its lock (0 = none),
--         number of fields of metrics, the fields
-- Returns {how many were ours, length of inflight}
-- Called by a worker's turn, for the few jobs that finish does not do for. A lock that names another job stays.
local from = ARGV[1]
local ours = 0
local a = 3
while a <= #ARGV do
  local id, lock, fields = ARGV[a + 1], KEYS[tonumber(ARGV[a + 2])], tonumber(ARGV[a + 3])
  if redis.call('LREM', KEYS[1], from, ARGV[a]) == 1 then
    ours = ours + 1
    redis.pcall('HDEL', KEYS[5], id)
    if lock and redis.pcall('GET', lock) == id then redis.pcall('DEL', lock) end
    for f = a + 4, a + 3 + fields do
      if ARGV[f] ~= '' then redis.pcall('HINCRBY', KEYS[4], ARGV[f], 1) end
    end
  end
  a = a + 4 + fields
end
if ours > 0 then
  redis.pcall('INCRBY', KEYS[2], ours)
  redis.pcall('INCRBY', KEYS[3], ours)
  redis.pcall('EXPIRE', KEYS[4], ARGV[2])
end
return {ours, redis.call('LLEN', KEYS[1])}
