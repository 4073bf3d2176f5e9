-- Enqueue_unique: a new job is stored if its lock is free; if not, it is refused or takes the holder's place.
-- KEYS    lock, queue, delayed, payloads, attempts, stat:deduplicated
-- ARGV    id, payload, life of the lock in ms, what to do about a holder (skip, replace, raise), due time in s (''
--         = now), push command, back side of the queue, 1 if it goes to the front, how far a waiting holder is
--         looked for, in jobs and in bytes
-- Returns {1 if it was stored, the id it is stored under; of the holder if it was not}
-- Called by clients. A full server refuses it. Stored before the holder is removed and before the lock names the
-- new one. A holder that waits is known by the meta of its payload. Where it is not found (it runs, or it is too
-- far from the back) the new one is stored beside it.
local lock, queue, delayed, payloads = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, raw, conflict, due, push, back = ARGV[1], ARGV[2], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local holder = redis.call('GET', lock)
if holder and conflict ~= 'replace' then
  redis.pcall('INCR', KEYS[6])
  return {0, holder}
end
redis.call('LLEN', queue)
redis.call('ZCARD', delayed)
redis.call('HLEN', payloads)
-- Tried first on nothing: a right that is missing stops the script before it has written, not half way.
-- On a full 6.2 the first of them is what is refused.
redis.call('SET', lock .. ':none', '', 'XX')
if due ~= '' then redis.call('ZADD', delayed .. ':none', 'XX', 0, '') end
if holder then
  redis.call('LREM', queue .. ':none', 1, '')
  redis.call('ZREM', delayed .. ':none', '')
  redis.call('HDEL', payloads .. ':none', '')
end

local function store()
  if due == '' then
    redis.call(push, queue, raw)
    return id
  end
  local name, n = id, 0
  local there = redis.call('HGET', payloads, name)
  while there and there ~= raw do
    n = n + 1
    name = id .. '~' .. n
    there = redis.call('HGET', payloads, name)
  end
  redis.call('HSET', payloads, name, raw)
  redis.call('ZADD', delayed, due, name)
  return name
end

-- Only at the top level: what follows the meta there is the end of the payload, or its trailer.
local function is_the_holders(other)
  local _, quote = string.find(other, '^.*"meta":{"id":"')
  if not quote or string.sub(other, quote + 1, quote + #holder + 1) ~= holder .. '"' then return false end
  local _, meta_end = string.find(other, '^%b{}', quote - 6)
  local rest = meta_end and string.gsub(string.sub(other, meta_end + 1), '^,"sig":"[^"]*"', '')
  return rest == '}' or (rest and string.find(rest, '^,"tries":%b{}}$')) ~= nil
end

local function search()
  local position, jobs, bytes = 0, tonumber(ARGV[9]), tonumber(ARGV[10])
  while jobs > position and bytes > 0 do
    local others
    if back == 'LEFT' then
      others = redis.call('LRANGE', queue, position, position + 24)
    else
      others = redis.call('LRANGE', queue, -position - 25, -position - 1)
    end
    for i = 1, #others do
      local other = others[back == 'LEFT' and i or #others + 1 - i]
      local at = back == 'LEFT' and position + i - 1 or -position - i
      if string.find(other, holder, 1, true) and is_the_holders(other) then return at, other end
      bytes = bytes - #other
    end
    if #others < 25 then return nil end
    position = position + 25
  end
end

local name, found, other
if holder and redis.call('ZSCORE', delayed, holder) then
  found = true
  if holder == id and due ~= '' then
    name = id
    redis.call('HSET', payloads, id, raw)
    redis.call('ZADD', delayed, due, id)
  else
    name = store()
    redis.call('ZREM', delayed, holder)
    redis.call('HDEL', payloads, holder)
  end
elseif holder then
  found, other = search()
  if found and due == '' and ARGV[8] == '0' then
    name = id
    redis.call('LSET', queue, found, raw)
  elseif found then
    name = store()
    redis.call('LREM', queue, back == 'LEFT' and 1 or -1, other)
  end
end
if found then
  redis.pcall('HDEL', KEYS[5], holder)
  redis.pcall('INCR', KEYS[6])
else
  name = store()
end
redis.call('SET', lock, id, 'PX', ARGV[3])
return {1, name}
