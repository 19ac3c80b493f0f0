-- Purpose: the lease runs anew from now.
-- Guarantee: only for the holder. A dispatched claim that lapsed comes back; one that lapsed before dispatch is over.
-- KEYS[1] the record
-- ARGV[1] token
-- ARGV[2] owner
-- ARGV[3] lease in ms
-- Returns: 1 ok | 0 lost

local record = redis.call('HMGET', KEYS[1], 'state', 'token', 'owner', 'lease_until_ms', 'unknown_retain_ms')
if record[2] ~= ARGV[1] or record[3] ~= ARGV[2] then
  return 0
end
local time = redis.call('TIME')
local now_ms = math.floor((tonumber(time[1]) * 1000000 + tonumber(time[2])) / 1000)
if record[1] ~= 'dispatched' and not (record[1] == 'claimed' and tonumber(record[4]) > now_ms) then
  return 0
end
-- PEXPIRE first: once a script has written, a full memory stops no later write of it.
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', tonumber(ARGV[3]) + tonumber(record[5])))
redis.call('HSET', KEYS[1], 'lease_until_ms', string.format('%.0f', now_ms + tonumber(ARGV[3])),
  'lease_ms', ARGV[3])
return 1
