-- Purpose: the request was not executed; the key may be claimed again.
-- Guarantee: only for the holder, and never after a park. The record stays for a while, for its token and for joiners.
--   Sent again after a lost reply it is ok again and changes nothing.
-- $1 record key
-- $2 token
-- $3 owner
-- $4 life of what remains in ms
-- $5 when to try again in ms, or null
-- $6 channel of settlements
-- Returns: one row when ok, none when lost

WITH clock AS MATERIALIZED (
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
), written AS (
  UPDATE onceward.record r
  SET state = 'released',
    reason = '',
    note = NULL,
    retry_after_ms = CASE WHEN r.state = 'released' THEN r.retry_after_ms ELSE $5::float8 END,
    expires_at_us = CASE WHEN r.state = 'released' THEN r.expires_at_us
      ELSE c.now_us + ($4::float8 * 1000)::bigint END,
    sweep_at_us = CASE WHEN r.state = 'released' THEN r.sweep_at_us
      ELSE least(r.sweep_at_us, c.now_us + ($4::float8 * 1000)::bigint) END
  FROM clock c
  WHERE r.record_key = $1 AND r.token = $2 AND r.owner = $3 AND r.expires_at_us > c.now_us
    AND r.state IN ('claimed', 'dispatched', 'released')
  RETURNING r.awaited
)
SELECT CASE WHEN awaited THEN pg_notify($6, $1)::text END FROM written
