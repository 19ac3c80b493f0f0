-- Purpose: claimed -> dispatched, before the first byte goes to the upstream.
-- Guarantee: only for the holder, and only while its lease runs: a lapsed claim may be another's in the next moment.
--   Sent again after a lost reply it is ok again.
-- KEYS[1] the record
-- ARGV[1] token
-- ARGV[2] owner
-- Returns: 1 ok | 0 lost

local record = redis.call('HMGET', KEYS[1], 'state', 'token', 'owner', 'lease_until_ms', 'unknown_retain_ms')
if record[2] ~= ARGV[1] or record[3] ~= ARGV[2] then
  return 0
end
if record[1] ~= 'claimed' and record[1] ~= 'dispatched' then
  return 0
end
local time = redis.call('TIME')
local now_ms = math.floor((tonumber(time[1]) * 1000000 + tonumber(time[2])) / 1000)
local lease_left_ms = tonumber(record[4]) - now_ms
if lease_left_ms <= 0 then
  return 0
end
-- PEXPIRE first: once a script has written, a full memory stops no later write of it.
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', lease_left_ms + tonumber(record[5])))
redis.call('HSET', KEYS[1], 'state', 'dispatched')
return 1
