-- Purpose: the request was not executed; the key may be claimed again.
-- Guarantee: only for the holder, and never after a park. The token stays in a tombstone, so that the next one is
--   greater. Sent again after a lost reply it is ok again.
-- KEYS[1] the record
-- ARGV[1] token
-- ARGV[2] owner
-- ARGV[3] life of the tombstone in ms
-- ARGV[4] when to try again in ms, or empty
-- ARGV[5] channel of settlements
-- ARGV[6] record key, the message on it
-- Returns: 1 ok | 0 lost

local record = redis.call('HMGET', KEYS[1], 'state', 'token', 'owner')
if record[2] ~= ARGV[1] or record[3] ~= ARGV[2] then
  return 0
end
if record[1] == 'released' then
  return 1
end
if record[1] ~= 'claimed' and record[1] ~= 'dispatched' then
  return 0
end
-- PEXPIRE first: once a script has written, a full memory stops no later write of it.
-- The token is the time of the claim. Where the clock has gone back since, what remains outlives that time, so that the
-- next token is greater whenever it is given.
local time = redis.call('TIME')
local behind_ms = math.max(0, math.floor(tonumber(record[2]) / 1000 - (time[1] * 1000 + time[2] / 1000)))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', tonumber(ARGV[3]) + behind_ms))
redis.call('HSET', KEYS[1], 'state', 'released', 'retry_after_ms', ARGV[4])
redis.call('HDEL', KEYS[1], 'lease_until_ms', 'lease_ms', 'unknown_retain_ms', 'note')
redis.call('PUBLISH', ARGV[5], ARGV[6])
return 1
