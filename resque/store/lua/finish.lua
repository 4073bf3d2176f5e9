-- Finish: done jobs leave this worker's in-flight list and are counted, each at most once.
-- KEYS    inflight, stat:processed, stat:processed:<id>, metrics
-- ARGV    LREM count (search from the front), life of metrics in s, number of groups; three fields of metrics a group
--         (done, wait bucket, run bucket); then pairs: group, payload
-- Returns {how many were ours, length of inflight}
-- Called by a worker's turn.
-- The fence: a payload that is not in the list (lease lost, or already settled) is not counted. Mostly the jobs end in
-- the order in which they were reserved: then they are the oldest of the list, and one LTRIM serves for all.
local from, groups = ARGV[1], tonumber(ARGV[3])
local first = 4 + groups * 3
local jobs = (#ARGV - first + 1) / 2
local counts, ours = {}, 0

local function count(a)
  counts[ARGV[a]] = (counts[ARGV[a]] or 0) + 1
  ours = ours + 1
end

local function are_the_oldest()
  local left = from == '1'
  local listed = left and redis.call('LRANGE', KEYS[1], 0, jobs - 1) or redis.call('LRANGE', KEYS[1], -jobs, -1)
  if #listed < jobs then return false end
  for i = 1, jobs do
    if listed[left and i or jobs + 1 - i] ~= ARGV[first + i * 2 - 1] then return false end
  end
  return true
end

if are_the_oldest() then
  if from == '1' then
    redis.call('LTRIM', KEYS[1], jobs, -1)
  else
    redis.call('LTRIM', KEYS[1], 0, -jobs - 1)
  end
  for a = first, #ARGV, 2 do count(a) end
else
  for a = first, #ARGV, 2 do
    if redis.call('LREM', KEYS[1], from, ARGV[a + 1]) == 1 then count(a) end
  end
end
if ours > 0 then
  redis.pcall('INCRBY', KEYS[2], ours)
  redis.pcall('INCRBY', KEYS[3], ours)
  for group, count_of_group in pairs(counts) do
    for f = 4 + group * 3, 6 + group * 3 do
      if ARGV[f] ~= '' then redis.pcall('HINCRBY', KEYS[4], ARGV[f], count_of_group) end
    end
  end
  redis.pcall('EXPIRE', KEYS[4], ARGV[2])
end
return {ours, redis.call('LLEN', KEYS[1])}
