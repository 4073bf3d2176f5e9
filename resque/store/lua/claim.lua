-- Claim: a namespace is marked with its wire direction by the first process that uses it.
-- KEYS    wire, queues, workers
-- ARGV    the wanted direction, or '' for none in particular
-- Returns the direction of the namespace, or 'foreign' when it is in use but unmarked and none was asked for
-- Called by every client and worker when it starts.
local marked = redis.call('GET', KEYS[1])
if marked then return marked end
if ARGV[1] == '' and redis.call('EXISTS', KEYS[2], KEYS[3]) > 0 then return 'foreign' end
local direction = ARGV[1] == '' and 'native' or ARGV[1]
redis.call('SET', KEYS[1], direction)
return direction
