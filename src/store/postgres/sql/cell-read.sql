-- Purpose: reads a cell, and tells the time by which it is judged.
-- Guarantee: writes nothing.
-- $1 cell key
-- Returns: version, value, time in ms; version 0 and no value when absent or expired

WITH clock AS MATERIALIZED (
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
)
SELECT coalesce(r.version, 0), r.value, c.now_us / 1000
FROM clock c
LEFT JOIN onceward.cell r ON r.cell_key = $1 AND r.expires_at_us > c.now_us
