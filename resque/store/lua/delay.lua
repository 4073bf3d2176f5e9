-- Delay: new jobs wait for their time.
-- KEYS    delayed, payloads
-- ARGV    three a job: id, due time in s, payload
-- Returns the ids under which they are stored, in the same order
-- Called by clients. A full server refuses it. A repeated enqueue (same id, same bytes) stays one job, with the new
-- due time; another job with an id that is taken is stored under id~1, id~2 … A key of another type ends the script
-- before it writes: the first is asked for its length, the other for the id.
redis.call('ZCARD', KEYS[1])
-- Tried first on nothing: a right that is missing stops the script before it has written, not half way.
redis.call('ZADD', KEYS[1] .. ':none', 'XX', 0, '')
local stored = {}
for a = 1, #ARGV, 3 do
  local name, n = ARGV[a], 0
  local there = redis.call('HGET', KEYS[2], name)
  while there and there ~= ARGV[a + 2] do
    n = n + 1
    name = ARGV[a] .. '~' .. n
    there = redis.call('HGET', KEYS[2], name)
  end
  if not there then redis.call('HSET', KEYS[2], name, ARGV[a + 2]) end
  redis.call('ZADD', KEYS[1], ARGV[a + 1], name)
  stored[#stored + 1] = name
end
return stored
