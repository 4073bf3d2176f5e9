-- Audit: an in-flight list gets back what belongs to it: its queue's name, and a lease if it has none.
-- KEYS    queues, leases, inflight
-- ARGV    queue, worker, lease in ms
-- Returns {1 if the name was missing, 1 if the lease was missing}
-- Called by the audit loop. Ruby's remove_queue forgets a queue with jobs in flight; a lost key may forget a lease.
if redis.call('EXISTS', KEYS[3]) == 0 then return {0, 0} end
local time = redis.call('TIME')
local lease_end = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[3])
local named = redis.call('SADD', KEYS[1], ARGV[1])
local leased = redis.call('ZADD', KEYS[2], 'NX', lease_end, ARGV[2])
return {named, leased}
