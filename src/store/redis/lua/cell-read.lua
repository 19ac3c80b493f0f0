-- Purpose: reads a cell, and tells the time by which it is judged.
-- Guarantee: writes nothing.
-- KEYS[1] the cell
-- Returns: {version, value, time in ms}; version 0 with an empty value when absent

local time = redis.call('TIME')
local now_ms = math.floor((tonumber(time[1]) * 1000000 + tonumber(time[2])) / 1000)
local cell = redis.call('HMGET', KEYS[1], 'version', 'value')
return {tonumber(cell[1] or 0), cell[2] or '', now_ms}
