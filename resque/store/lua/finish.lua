-- Finish: done jobs leave this worker's in-flight list and are counted, each at most once.
-- KEYS    inflight, stat:processed, stat:processed:<id>, metrics
-- ARGV    LREM count (search from the front), life of metrics in s, number of groups; three fields of metrics a group
--         (done, wait bucket, run bucket); then pairs: group, payload
-- Returns {how many were ours, length of inflight}
-- Called by a worker's turn.
-- The fence: a payload that is not in the list (lease lost, or already settled) is not counted.
local from, groups = ARGV[1], tonumber(ARGV[3])
local counts, ours = {}, 0
for a = 4 + groups * 3, #ARGV, 2 do
  if redis.call('LREM', KEYS[1], from, ARGV[a + 1]) == 1 then
    local group = ARGV[a]
    counts[group] = (counts[group] or 0) + 1
    ours = ours + 1
  end
end
if ours > 0 then
  redis.pcall('INCRBY', KEYS[2], ours)
  redis.pcall('INCRBY', KEYS[3], ours)
  for group, count in pairs(counts) do
    for f = 4 + group * 3, 6 + group * 3 do
      if ARGV[f] ~= '' then redis.pcall('HINCRBY', KEYS[4], ARGV[f], count) end
    end
  end
  redis.pcall('EXPIRE', KEYS[4], ARGV[2])
end
return {ours, redis.call('LLEN', KEYS[1])}
