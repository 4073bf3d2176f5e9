-- Find: one delayed job, by its id.
-- KEYS    delayed, payloads
-- ARGV    id
-- Returns {due time in s, payload ('' = it is missing)}, or {} when there is none
-- Called by admin. Writes nothing.
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due then return {} end
return {due, redis.call('HGET', KEYS[2], ARGV[1]) or ''}
