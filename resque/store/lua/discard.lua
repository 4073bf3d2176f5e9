-- Discard: a failure record is removed for good, and counted.
-- KEYS    failed, stat:discarded
-- ARGV    failure record, where it was seen (index), how far to search
-- Returns 1 when it was there, 0 when somebody else was faster (or it is further away than the search goes)
-- Called by admin.
local record, hint, far = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local from = 1
if redis.call('LINDEX', KEYS[1], hint) == record then
  if hint < 0 or hint > redis.call('LLEN', KEYS[1]) / 2 then from = -1 end
elseif not redis.call('LPOS', KEYS[1], record, 'MAXLEN', far) then
  from = -1
  if not redis.call('LPOS', KEYS[1], record, 'RANK', -1, 'MAXLEN', far) then return 0 end
end
-- Tried first on nothing: a right that is missing stops the script before it has written, not half way.
redis.call('LREM', KEYS[1] .. ':none', 1, '')
redis.call('INCR', KEYS[2])
return redis.call('LREM', KEYS[1], from, record)
