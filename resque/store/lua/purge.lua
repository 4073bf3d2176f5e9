-- Purge: all waiting jobs of a queue are dropped, and counted. Jobs in flight are not touched.
-- KEYS    queue, stat:purged
-- ARGV    none
-- Returns how many jobs were dropped
-- Called by admin. UNLINK, so that a list of millions does not stop the server.
local count = redis.call('LLEN', KEYS[1])
if count > 0 then
  redis.call('UNLINK', KEYS[1] .. ':none') -- a right that is missing shows before anything is counted
  redis.call('INCRBY', KEYS[2], count)
  redis.call('UNLINK', KEYS[1])
end
return count
