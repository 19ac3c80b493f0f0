-- Purpose: the request may have been executed and nobody can tell: the key is unknown from now on.
-- Guarantee: only for the holder. Sent again after a lost reply it is ok again and changes nothing.
-- KEYS[1] the record
-- ARGV[1] token
-- ARGV[2] owner
-- ARGV[3] reason
-- ARGV[4] channel of settlements
-- ARGV[5] record key, the message on it
-- Returns: 1 ok | 0 lost

local record = redis.call('HMGET', KEYS[1], 'state', 'token', 'owner', 'unknown_retain_ms')
if record[2] ~= ARGV[1] or record[3] ~= ARGV[2] then
  return 0
end
if record[1] == 'unknown' then
  return 1
end
if record[1] ~= 'claimed' and record[1] ~= 'dispatched' then
  return 0
end
local time = redis.call('TIME')
local now_ms = math.floor((tonumber(time[1]) * 1000000 + tonumber(time[2])) / 1000)
-- PEXPIRE first: once a script has written, a full memory stops no later write of it.
redis.call('PEXPIRE', KEYS[1], record[4])
redis.call('HSET', KEYS[1],
  'state', 'unknown', 'reason', ARGV[3], 'unknown_since_ms', string.format('%.0f', now_ms))
redis.call('HDEL', KEYS[1], 'lease_until_ms', 'lease_ms')
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
