-- Purpose: replaces a cell that is still as the caller has seen it.
-- Guarantee: compares and writes in one step, on the newest version of the row; the version grows: max(last + 1, time
--   in µs), also over an expiry, a sweep and where the clock has gone back.
-- $1 cell key
-- $2 version that was read, 0 for absent
-- $3 value
-- $4 life in ms
-- $5 channel of settlements, or null where nobody is to be woken
-- Returns: version, time in ms; no row when another version is there, or none

WITH clock AS MATERIALIZED (
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
), replaced AS (
  UPDATE onceward.cell r
  SET version = greatest(r.version + 1, c.now_us),
    value = $3,
    written_at_us = c.now_us,
    expires_at_us = c.now_us + ($4::float8 * 1000)::bigint,
    sweep_at_us = least(r.sweep_at_us, c.now_us + ($4::float8 * 1000)::bigint)
  FROM clock c
  WHERE r.cell_key = $1 AND r.version = $2::bigint AND r.expires_at_us > c.now_us
  RETURNING r.version
), made AS (
  INSERT INTO onceward.cell AS r (cell_key, version, value, written_at_us, expires_at_us, sweep_at_us)
  SELECT
    $1, greatest(i.token_floor + 1, c.now_us), $3, c.now_us, c.now_us + ($4::float8 * 1000)::bigint,
    c.now_us + ($4::float8 * 1000)::bigint
  FROM clock c, onceward.identity i
  WHERE $2::bigint = 0
  ON CONFLICT (cell_key) DO UPDATE
  SET version = greatest(r.version + 1, excluded.version),
    value = excluded.value,
    written_at_us = excluded.written_at_us,
    expires_at_us = excluded.expires_at_us,
    sweep_at_us = least(r.sweep_at_us, excluded.sweep_at_us)
  -- Judged on the newest version of the row, after any wait for its lock.
  WHERE r.expires_at_us <= excluded.written_at_us
  RETURNING r.version
), written AS (
  SELECT version FROM replaced
  UNION ALL
  SELECT version FROM made
)
SELECT w.version, c.now_us / 1000, CASE WHEN $5::text IS NOT NULL THEN pg_notify($5::text, $1)::text END
FROM written w, clock c
