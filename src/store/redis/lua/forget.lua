-- Purpose: removes a record at an operator's word.
-- Guarantee: one that may still be executing, or may have been executed, goes only when forced.
-- KEYS[1] the record
-- ARGV[1] settled-only | forced
-- Returns: 1 ok, also when absent | 0 refused

local state = redis.call('HGET', KEYS[1], 'state')
if ARGV[1] ~= 'forced' and (state == 'claimed' or state == 'dispatched' or state == 'unknown') then
  return 0
end
redis.call('DEL', KEYS[1])
return 1
