-- Purpose: ends an unknown: an operator or a probe says what became of it. Or gives a completed key free again.
-- Guarantee: only an unknown record, or a dispatched one whose lease lapsed, and only with this token; for restarted
--   only a completed one. The owner is erased: an answer of the old holder is refused from now on.
-- KEYS[1] the record
-- ARGV[1] token
-- ARGV[2] completed | released | restarted, which is released from completed
-- ARGV[3] life of the record or of the tombstone in ms
-- ARGV[4] response, or empty unless completed
-- ARGV[5] channel of settlements
-- ARGV[6] record key, the message on it
-- ARGV[7] how long it must have been unknown to be released, in ms
-- Returns: 1 ok | 0 lost

local record = redis.call('HMGET', KEYS[1], 'state', 'token', 'lease_until_ms', 'unknown_since_ms')
if record[2] ~= ARGV[1] then
  return 0
end
local time = redis.call('TIME')
local now_ms = math.floor((tonumber(time[1]) * 1000000 + tonumber(time[2])) / 1000)
local since_ms = 0
if ARGV[2] == 'restarted' then
  if record[1] ~= 'completed' then
    return 0
  end
elseif record[1] == 'dispatched' then
  since_ms = tonumber(record[3])
  if since_ms > now_ms then
    return 0
  end
elseif record[1] == 'unknown' then
  since_ms = tonumber(record[4])
else
  return 0
end
-- A holder that woke up since the question was asked has made it unknown anew, under the same token.
if ARGV[2] == 'released' and math.max(0, now_ms - since_ms) < tonumber(ARGV[7]) then
  return 0
end
-- PEXPIRE first: once a script has written, a full memory stops no later write of it.
-- The token is the time of the claim. Where the clock has gone back since, what remains outlives that time, so that the
-- next token is greater whenever it is given.
local behind_ms = math.max(0, math.floor(tonumber(ARGV[1]) / 1000) - now_ms)
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', tonumber(ARGV[3]) + behind_ms))
if ARGV[2] == 'completed' then
  redis.call('HSET', KEYS[1], 'state', 'completed', 'owner', '', 'response', ARGV[4])
else
  redis.call('HSET', KEYS[1], 'state', 'released', 'owner', '', 'retry_after_ms', '')
  redis.call('HDEL', KEYS[1], 'response')
end
redis.call('HDEL', KEYS[1], 'lease_until_ms', 'lease_ms', 'unknown_retain_ms', 'unknown_since_ms', 'reason',
  'note')
redis.call('PUBLISH', ARGV[5], ARGV[6])
return 1
