-- Purpose: keeps the response; every repeat is answered with it from now on.
-- Guarantee: only for the holder, in flight or unknown (a late answer). Sent again after a lost reply it is ok again
--   and changes nothing. The fingerprint and its policy stay.
-- KEYS[1] the record
-- ARGV[1] token
-- ARGV[2] owner
-- ARGV[3] retain in ms
-- ARGV[4] response
-- ARGV[5] channel of settlements
-- ARGV[6] record key, the message on it
-- Returns: 1 ok | 0 lost

local record = redis.call('HMGET', KEYS[1], 'state', 'token', 'owner')
if record[2] ~= ARGV[1] or record[3] ~= ARGV[2] then
  return 0
end
if record[1] == 'completed' then
  return 1
end
if record[1] ~= 'claimed' and record[1] ~= 'dispatched' and record[1] ~= 'unknown' then
  return 0
end
-- PEXPIRE first: what was executed must be kept even when the memory is full, and once a script has written, a full
-- memory stops no later write of it.
-- The token is the time of the claim. Where the clock has gone back since, what remains outlives that time, so that the
-- next token is greater whenever it is given.
local time = redis.call('TIME')
local behind_ms = math.max(0, math.floor(tonumber(ARGV[1]) / 1000 - (time[1] * 1000 + time[2] / 1000)))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', tonumber(ARGV[3]) + behind_ms))
redis.call('HSET', KEYS[1], 'state', 'completed', 'response', ARGV[4])
redis.call('HDEL', KEYS[1], 'lease_until_ms', 'lease_ms', 'unknown_retain_ms', 'unknown_since_ms', 'reason', 'note')
redis.call('PUBLISH', ARGV[5], ARGV[6])
return 1
