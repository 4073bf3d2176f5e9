-- Renew: the leases of living workers get a new end.
-- KEYS    leases, one a queue
-- ARGV    lease in ms, then the workers
-- Returns how many leases were renewed
-- Called by the supervisor, never by the process that runs jobs: a job that holds it for minutes must not lose its lease.
local time = redis.call('TIME')
local lease_end = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[1])
local renewed = 0
for k = 1, #KEYS do
  for a = 2, #ARGV do
    local changed = redis.pcall('ZADD', KEYS[k], 'XX', 'CH', lease_end, ARGV[a])
    if type(changed) == 'number' then renewed = renewed + changed end
  end
end
return renewed
