-- Forget: a worker that holds nothing leaves the leases of a queue.
-- KEYS    leases, inflight
-- ARGV    worker, the lease end that was seen
-- Returns 1 when it was removed, else 0
-- Called by recovery, some time after the lease ended: a late command of the worker may still arrive before.
local lease_end = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not lease_end or tonumber(lease_end) ~= tonumber(ARGV[2]) then return 0 end
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
return redis.call('ZREM', KEYS[1], ARGV[1])
