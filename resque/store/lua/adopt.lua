-- Adopt: the in-flight jobs of a worker that is gone move into the recoverer's own in-flight list.
-- KEYS    leases, inflight of the lost worker, inflight of the recoverer
-- ARGV    front side, back side, lost worker, the lease end that was seen ('' = known to be dead), recoverer,
--         lease in ms, how many at most
-- Returns {1, how many are left, payloads in reserve order}, or {0} when the lease has changed meanwhile
-- Called by recovery.
-- Refuses when the lease is not the one the recoverer has watched: a living supervisor has renewed. The recoverer takes
-- a lease of its own first, so that it is recovered too if it dies here. Entries move one by one, the newest first:
-- released in chunks to the front of the queue they regain their order.
local front, back, seen = ARGV[1], ARGV[2], ARGV[4]
local lease_end = redis.call('ZSCORE', KEYS[1], ARGV[3])
if seen ~= '' and (not lease_end or tonumber(lease_end) ~= tonumber(seen)) then return {0} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local moved = {}
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('ZADD', KEYS[1], now + tonumber(ARGV[6]), ARGV[5])
  for _ = 1, tonumber(ARGV[7]) do
    local raw = redis.call('LMOVE', KEYS[2], KEYS[3], back, front)
    if not raw then break end
    table.insert(moved, 1, raw)
  end
end
local left = redis.call('LLEN', KEYS[2])
if left == 0 and lease_end then redis.call('ZADD', KEYS[1], 'XX', now, ARGV[3]) end
return {1, left, moved}
