-- Purpose: removes cells that have expired.
-- Guarantee: a bounded number of rows, and none that another statement holds, so that it never makes a request wait.
--   What still lives is looked at again at its expiry. The versions of what went stay known.
-- $1 rows to look at
-- Returns: how many were removed

WITH clock AS MATERIALIZED (
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
), due AS MATERIALIZED (
  SELECT r.cell_key FROM onceward.cell r
  WHERE r.sweep_at_us <= (SELECT now_us FROM clock)
  ORDER BY r.sweep_at_us
  LIMIT $1::integer
  FOR UPDATE SKIP LOCKED
), removed AS (
  DELETE FROM onceward.cell r USING due, clock c
  WHERE r.cell_key = due.cell_key AND r.expires_at_us <= c.now_us
  RETURNING r.version
), kept AS (
  UPDATE onceward.cell r
  SET sweep_at_us = r.expires_at_us
  FROM due, clock c
  WHERE r.cell_key = due.cell_key AND r.expires_at_us > c.now_us
), raised AS (
  UPDATE onceward.identity i
  SET token_floor = gone.version
  FROM (SELECT max(version) AS version FROM removed) gone
  WHERE i.token_floor < gone.version
)
SELECT count(*)::integer FROM removed
