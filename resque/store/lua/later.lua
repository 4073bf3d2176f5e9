-- Later: jobs move from an in-flight list to delayed, each at most once; the error of the attempt is kept.
-- KEYS    inflight, delayed, payloads, attempts, stat:retried, metrics
-- ARGV    LREM count (search from the front), life of metrics in s, how many errors of a job are kept; then a job:
--         payload, what to store in its place ('' = itself), id, delay in s, error ('' = none), number of fields of
--         metrics, the fields
-- Returns {how many were ours, length of inflight, error or ''}
-- Called by a worker's turn. Stored before removed. What is in flight is a job of its own, whatever lies in delayed
-- already: if its id is taken, even by the same bytes, it is stored under id~1, id~2 … The two lengths are asked
-- for first, so that a key of another type keeps the job in flight with nothing half written.
local from, keep = ARGV[1], tonumber(ARGV[3])
local rank = tonumber(from)
local time = redis.call('TIME')
local ours, trouble = 0, ''
local wrong = redis.pcall('ZCARD', KEYS[2])
if type(wrong) ~= 'table' then wrong = redis.pcall('HLEN', KEYS[3]) end

-- Tried first on nothing: a right that is missing stops the script before it has written, not half way.
redis.call('LREM', KEYS[1] .. ':none', 1, '')
redis.call('ZADD', KEYS[2] .. ':none', 'XX', 0, '')

local function store(id, raw, delay)
  local name, n = id, 0
  while redis.call('HEXISTS', KEYS[3], name) == 1 do
    n = n + 1
    name = id .. '~' .. n
  end
  redis.call('HSET', KEYS[3], name, raw)
  redis.call('ZADD', KEYS[2], string.format('%.6f', time[1] + time[2] / 1000000 + delay), name)
end

local function remember(id, problem)
  local lines = {}
  local earlier = redis.pcall('HGET', KEYS[4], id)
  if type(earlier) == 'string' then
    for line in string.gmatch(earlier, '[^\n]+') do lines[#lines + 1] = line end
  end
  lines[#lines + 1] = problem
  redis.pcall('HSET', KEYS[4], id, table.concat(lines, '\n', math.max(1, #lines - keep + 1)))
end

local a = 4
while a <= #ARGV do
  local raw, id, fields = ARGV[a], ARGV[a + 2], tonumber(ARGV[a + 5])
  if redis.call('LPOS', KEYS[1], raw, 'RANK', rank) then
    if type(wrong) == 'table' then
      trouble = wrong.err
    else
      store(id, ARGV[a + 1] == '' and raw or ARGV[a + 1], tonumber(ARGV[a + 3]))
      redis.call('LREM', KEYS[1], from, raw)
      ours = ours + 1
      if ARGV[a + 4] ~= '' then remember(id, ARGV[a + 4]) end
      for f = a + 6, a + 5 + fields do
        if ARGV[f] ~= '' then redis.pcall('HINCRBY', KEYS[6], ARGV[f], 1) end
      end
    end
  end
  a = a + 6 + fields
end
if ours > 0 then
  redis.pcall('INCRBY', KEYS[5], ours)
  redis.pcall('EXPIRE', KEYS[6], ARGV[2])
end
return {ours, redis.call('LLEN', KEYS[1]), trouble}
