-- Purpose: grants the key to an owner, or says what stands in the way.
-- Guarantee: one grant at a time; a dispatched record is never granted again, a completed one never changed; the token
--   grows with every grant: max(last + 1, time in µs). The owner that holds the claim already is granted it again with
--   the same token, and its lease starts anew, because the caller counts the lease from its last sending.
-- KEYS[1] the record
-- ARGV[1] owner
-- ARGV[2] fingerprint
-- ARGV[3] policy id
-- ARGV[4] lease in ms
-- ARGV[5] life of an unsettled record after its lease in ms
-- ARGV[6] state to write: claimed | dispatched
-- ARGV[7] note, or empty for none
-- ARGV[8] look: grant nothing new, because the server might lose it | anything else: grant
-- Returns: {0, token, attempt} claimed
--   {1, fingerprint, policy id, token, lease left in ms} in flight
--   {2, fingerprint, policy id, token, response} completed
--   {3, fingerprint, policy id, token, reason, unknown for ms} unknown
--   {4} free, and not granted

local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now_ms = math.floor(now_us / 1000)
local record = redis.call('HMGET', KEYS[1],
  'state', 'token', 'owner', 'fingerprint', 'policy_id', 'attempt', 'lease_until_ms', 'unknown_since_ms', 'reason',
  'lease_ms', 'unknown_retain_ms')
local state = record[1]
local token = tonumber(record[2] or 0)
local attempt = tonumber(record[6] or 0)
local lease_until_ms = string.format('%.0f', now_ms + tonumber(ARGV[4]))
-- A lease never outlives its record.
local life_ms = string.format('%.0f', tonumber(ARGV[4]) + tonumber(ARGV[5]))

if state == 'completed' then
  return {2, record[4], record[5], token, redis.call('HGET', KEYS[1], 'response')}
end
if state == 'unknown' then
  return {3, record[4], record[5], token, record[9], math.max(0, now_ms - tonumber(record[8]))}
end
if state == 'claimed' or state == 'dispatched' then
  local lease_left_ms = tonumber(record[7]) - now_ms
  if lease_left_ms > 0 then
    if record[3] ~= ARGV[1] then
      -- More is left than was given: the clock has gone back. Without its holder, who would renew it, the lease would
      -- stand until the clock has caught up.
      local lease_ms = tonumber(record[10] or lease_left_ms)
      if lease_left_ms > lease_ms then
        lease_left_ms = lease_ms
        redis.call('PEXPIRE', KEYS[1], string.format('%.0f', lease_ms + tonumber(record[11])))
        redis.call('HSET', KEYS[1], 'lease_until_ms', string.format('%.0f', now_ms + lease_ms))
      end
      return {1, record[4], record[5], token, lease_left_ms}
    end
    -- PEXPIRE first: once a script has written, a full memory stops no later write of it.
    redis.call('PEXPIRE', KEYS[1], life_ms)
    redis.call('HSET', KEYS[1], 'lease_until_ms', lease_until_ms, 'lease_ms', ARGV[4])
    if ARGV[6] == 'dispatched' then
      redis.call('HSET', KEYS[1], 'state', 'dispatched')
    end
    return {0, token, attempt}
  end
  if state == 'dispatched' then
    return {3, record[4], record[5], token, 'lease-lapsed', -lease_left_ms}
  end
end

if ARGV[8] == 'look' then
  return {4}
end
token = math.max(token + 1, now_us)
attempt = attempt + 1
-- HSET first: a full memory must refuse a new claim.
redis.call('HSET', KEYS[1],
  'state', ARGV[6], 'token', string.format('%.0f', token), 'owner', ARGV[1], 'fingerprint', ARGV[2],
  'policy_id', ARGV[3], 'attempt', attempt, 'lease_until_ms', lease_until_ms, 'lease_ms', ARGV[4],
  'unknown_retain_ms', ARGV[5])
if state then
  redis.call('HDEL', KEYS[1], 'retry_after_ms', 'note')
end
if ARGV[7] ~= '' then
  redis.call('HSET', KEYS[1], 'note', ARGV[7])
end
redis.call('PEXPIRE', KEYS[1], life_ms)
return {0, token, attempt}
