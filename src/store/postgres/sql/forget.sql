-- Purpose: removes a record at an operator's word.
-- Guarantee: one that may still be executing, or may have been executed, goes only when forced. Its token stays known:
--   the next one of the key is above it.
-- $1 record key
-- $2 settled-only | forced
-- Returns: ok, also when absent | refused

WITH clock AS MATERIALIZED (
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
), seen AS MATERIALIZED (
  -- Locked: what is answered must be true of the version that was judged, which may be newer than this statement's view.
  SELECT r.expires_at_us <= c.now_us OR r.state IN ('completed', 'released') OR $2 = 'forced' AS may_go
  FROM onceward.record r, clock c
  WHERE r.record_key = $1
  FOR UPDATE OF r
), removed AS (
  DELETE FROM onceward.record r USING seen
  WHERE r.record_key = $1 AND seen.may_go
  RETURNING r.token
), raised AS (
  UPDATE onceward.identity i
  SET token_floor = removed.token
  FROM removed
  WHERE i.token_floor < removed.token
)
SELECT CASE WHEN EXISTS (SELECT FROM seen WHERE NOT may_go) THEN 'refused' ELSE 'ok' END
