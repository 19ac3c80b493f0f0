-- Purpose: removes what has expired.
-- Guarantee: a bounded number of rows, and none that another statement holds, so that it never makes a request wait.
--   What still lives is looked at again at its expiry. The tokens of what went stay known.
-- $1 rows to look at
-- Returns: how many were removed

WITH clock AS MATERIALIZED (
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
), due AS MATERIALIZED (
  SELECT r.record_key FROM onceward.record r
  WHERE r.sweep_at_us <= (SELECT now_us FROM clock)
  ORDER BY r.sweep_at_us
  LIMIT $1::integer
  FOR UPDATE SKIP LOCKED
), removed AS (
  DELETE FROM onceward.record r USING due, clock c
  WHERE r.record_key = due.record_key AND r.expires_at_us <= c.now_us
  RETURNING r.token
), kept AS (
  UPDATE onceward.record r
  SET sweep_at_us = r.expires_at_us
  FROM due, clock c
  WHERE r.record_key = due.record_key AND r.expires_at_us > c.now_us
), raised AS (
  UPDATE onceward.identity i
  SET token_floor = gone.token
  FROM (SELECT max(token) AS token FROM removed) gone
  WHERE i.token_floor < gone.token
)
SELECT count(*)::integer FROM removed
