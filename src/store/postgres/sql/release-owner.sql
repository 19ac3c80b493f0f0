-- Purpose: gives back a claim whose reply was lost, so that its token is not known.
-- Guarantee: touches nothing of another owner, and nothing that was parked, completed or released.
-- $1 record key
-- $2 owner
-- $3 life of what remains in ms
-- $4 channel of settlements
-- Returns: one row when ok, none when lost

WITH clock AS MATERIALIZED (
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
), written AS (
  UPDATE onceward.record r
  SET state = 'released',
    reason = '',
    note = NULL,
    retry_after_ms = NULL,
    expires_at_us = c.now_us + ($3::float8 * 1000)::bigint,
    sweep_at_us = least(r.sweep_at_us, c.now_us + ($3::float8 * 1000)::bigint)
  FROM clock c
  WHERE r.record_key = $1 AND r.owner = $2 AND r.expires_at_us > c.now_us AND r.state IN ('claimed', 'dispatched')
  RETURNING r.awaited
)
SELECT CASE WHEN awaited THEN pg_notify($4, $1)::text END FROM written
