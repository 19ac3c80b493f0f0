-- Purpose: proves that the store belongs to this secret: under another one every repeat would be another record, and
--   would be executed again.
-- Guarantee: one write of the id wins; it is never replaced by one that the caller did not name.
-- KEYS[1] the id of the secret
-- ARGV[1] format and current id
-- ARGV[2] all that are accepted, with a comma before, between and after
-- ARGV[3] adopt: replace an accepted id by the current one | prove: write what is there | look: write only what is
--   missing
-- Returns: {0, id found} accepted | {1, current id} written because there was none | {2, id found} refused

local found = redis.call('GET', KEYS[1])
if not found then
  redis.call('SET', KEYS[1], ARGV[1])
  return {1, ARGV[1]}
end
if not string.find(ARGV[2], ',' .. found .. ',', 1, true) then
  return {2, found}
end
if ARGV[3] ~= 'look' then
  -- Written even when unchanged: a store that is read only or out of memory says so here.
  redis.call('SET', KEYS[1], ARGV[3] == 'adopt' and ARGV[1] or found)
end
return {0, found}
