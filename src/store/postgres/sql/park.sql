-- Purpose: the request may have been executed and nobody can tell: the key is unknown from now on.
-- Guarantee: only for the holder. Its age counts from here, also after a lapse: until now an exchange was open. Sent
--   again after a lost reply it is ok again and changes nothing.
-- $1 record key
-- $2 token
-- $3 owner
-- $4 reason
-- $5 channel of settlements
-- Returns: one row when ok, none when lost

WITH clock AS MATERIALIZED (
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
), written AS (
  UPDATE onceward.record r
  SET state = 'unknown',
    reason = CASE WHEN r.state = 'unknown' THEN r.reason ELSE $4 END,
    unknown_since_us = CASE WHEN r.state = 'unknown' THEN r.unknown_since_us ELSE c.now_us END,
    expires_at_us = CASE WHEN r.state = 'unknown' THEN r.expires_at_us ELSE c.now_us + r.unknown_retain_us END
  FROM clock c
  WHERE r.record_key = $1 AND r.token = $2 AND r.owner = $3 AND r.expires_at_us > c.now_us
    AND r.state IN ('claimed', 'dispatched', 'unknown')
  RETURNING r.awaited
)
SELECT CASE WHEN awaited THEN pg_notify($5, $1)::text END FROM written
