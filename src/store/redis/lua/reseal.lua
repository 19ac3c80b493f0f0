-- Purpose: keeps another form of the same response, such as one sealed under a newer key.
-- Guarantee: only a completed record, and only with this token. Its life and all else of it stay. Nobody waits for it.
-- KEYS[1] the record
-- ARGV[1] token
-- ARGV[2] response
-- Returns: 1 ok | 0 lost

local record = redis.call('HMGET', KEYS[1], 'state', 'token')
if record[2] ~= ARGV[1] or record[1] ~= 'completed' then
  return 0
end
redis.call('HSET', KEYS[1], 'response', ARGV[2])
return 1
