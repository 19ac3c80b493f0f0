-- Purpose: removes a record at an operator's word.
-- Guarantee: one that may still be executing, or may have been executed, goes only when forced. Its token stays known:
--   the next one of the key is above it.
-- $1 record key
-- $2 settled-only | forced
-- Returns: ok, also when absent | refused

WITH clock AS MATERIALIZED (
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
), removed AS (
  DELETE FROM onceward.record r USING clock c
  WHERE r.record_key = $1
    AND (r.expires_at_us <= c.now_us OR r.state IN ('completed', 'released') OR $2 = 'forced')
  RETURNING r.token
), raised AS (
  UPDATE onceward.identity i
  SET token_floor = removed.token
  FROM removed
  WHERE i.token_floor < removed.token
)
SELECT CASE
  WHEN $2 <> 'forced' AND EXISTS (
    SELECT FROM onceward.record r, clock c
    WHERE r.record_key = $1 AND r.expires_at_us > c.now_us AND r.state IN ('claimed', 'dispatched', 'unknown')
  ) THEN 'refused'
  ELSE 'ok'
END
