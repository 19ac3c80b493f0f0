-- Purpose: gives back a claim whose reply was lost, so that its token is not known.
-- Guarantee: touches nothing of another owner, and nothing that was parked, completed or released.
-- KEYS[1] the record
-- ARGV[1] owner
-- ARGV[2] life of the tombstone in ms
-- ARGV[3] channel of settlements
-- ARGV[4] record key, the message on it
-- Returns: 1 ok | 0 lost

local record = redis.call('HMGET', KEYS[1], 'state', 'owner', 'token')
if record[2] ~= ARGV[1] then
  return 0
end
if record[1] ~= 'claimed' and record[1] ~= 'dispatched' then
  return 0
end
-- PEXPIRE first: once a script has written, a full memory stops no later write of it.
-- The token is the time of the claim. Where the clock has gone back since, what remains outlives that time, so that the
-- next token is greater whenever it is given.
local time = redis.call('TIME')
local behind_ms = math.max(0, math.floor(tonumber(record[3]) / 1000 - (time[1] * 1000 + time[2] / 1000)))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', tonumber(ARGV[2]) + behind_ms))
redis.call('HSET', KEYS[1], 'state', 'released', 'retry_after_ms', '')
redis.call('HDEL', KEYS[1], 'lease_until_ms', 'lease_ms', 'unknown_retain_ms', 'note')
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
