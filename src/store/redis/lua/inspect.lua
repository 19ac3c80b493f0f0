-- Purpose: the record as it stands.
-- Guarantee: reads only. A dispatched record whose lease lapsed reads as unknown since the end of its lease.
-- KEYS[1] the record
-- ARGV[1] with-response | without-response
-- Returns: nil when absent
--   {state, token, fingerprint, policy id, lease left in ms, expires in ms, reason, unknown for ms,
--    when to try again in ms or empty, response or nil, note or nil}

local record = redis.call('HMGET', KEYS[1],
  'state', 'token', 'fingerprint', 'policy_id', 'lease_until_ms', 'unknown_since_ms', 'reason', 'retry_after_ms',
  'note', 'lease_ms')
local state = record[1]
if not state then
  return false
end
local time = redis.call('TIME')
local now_ms = math.floor((tonumber(time[1]) * 1000000 + tonumber(time[2])) / 1000)
local lease_left_ms = 0
local unknown_for_ms = 0
local reason = record[7] or ''
local response = false
if state == 'claimed' or state == 'dispatched' then
  lease_left_ms = tonumber(record[5]) - now_ms
  if lease_left_ms <= 0 and state == 'dispatched' then
    state = 'unknown'
    reason = 'lease-lapsed'
    unknown_for_ms = -lease_left_ms
  end
  -- More is left than was given where the clock has gone back: the next claim begins the lease anew.
  lease_left_ms = math.max(0, math.min(lease_left_ms, tonumber(record[10] or lease_left_ms)))
elseif state == 'unknown' then
  unknown_for_ms = math.max(0, now_ms - tonumber(record[6]))
elseif state == 'completed' and ARGV[1] == 'with-response' then
  response = redis.call('HGET', KEYS[1], 'response')
end
return {state, tonumber(record[2]), record[3], record[4], lease_left_ms, math.max(0, redis.call('PTTL', KEYS[1])),
  reason, unknown_for_ms, record[8] or '', response, record[9]}
