-- Purpose: replaces a cell that is still as the caller has seen it.
-- Guarantee: compares and writes in one step; the version grows: max(last + 1, time in us), also over an expiry and
--   where the clock has gone back.
-- KEYS[1] the cell
-- ARGV[1] version that was read, 0 for absent
-- ARGV[2] value
-- ARGV[3] life in ms
-- ARGV[4] channel of settlements, or empty where nobody is to be woken
-- ARGV[5] cell key, the message on it
-- Returns: {1, version, time in ms} written | {0, version, value, time in ms} changed, as it is now

local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now_ms = math.floor(now_us / 1000)
local cell = redis.call('HMGET', KEYS[1], 'version', 'value')
local version = tonumber(cell[1] or 0)
if version ~= tonumber(ARGV[1]) then
  return {0, version, cell[2] or '', now_ms}
end
version = math.max(version + 1, now_us)
-- Where the clock has gone back, what remains outlives the time that is the version, so that the next one is greater
-- whenever it is written.
local life_ms = string.format('%.0f', tonumber(ARGV[3]) + math.max(0, math.ceil(version / 1000) - now_ms))
if ARGV[1] ~= '0' then
  -- PEXPIRE first: once a script has written, a full memory stops no later write of it, and the cell may hold what
  -- somebody waits for. A new cell is refused.
  redis.call('PEXPIRE', KEYS[1], life_ms)
end
redis.call('HSET', KEYS[1], 'version', string.format('%.0f', version), 'value', ARGV[2])
redis.call('PEXPIRE', KEYS[1], life_ms)
if ARGV[4] ~= '' then
  redis.call('PUBLISH', ARGV[4], ARGV[5])
end
return {1, version, now_ms}
