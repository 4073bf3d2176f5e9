-- Soonest: a window of a queue's delayed jobs, the one that is due first at its beginning.
-- KEYS    delayed, payloads
-- ARGV    from which, to which (inclusive, from 0)
-- Returns three a job: id, due time in s, payload ('' = it is missing)
-- Called by admin. Writes nothing.
local found = redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[2], 'WITHSCORES')
local out = {}
for i = 1, #found, 2 do
  out[#out + 1] = found[i]
  out[#out + 1] = found[i + 1]
  out[#out + 1] = redis.call('HGET', KEYS[2], found[i]) or ''
end
return out
