-- Purpose: keeps the response; every repeat is answered with it from now on.
-- Guarantee: only for the holder, in flight or unknown (a late answer). Sent again after a lost reply it is ok again
--   and keeps the first response and its life. The fingerprint and its policy stay.
-- $1 record key
-- $2 token
-- $3 owner
-- $4 retain in ms
-- $5 response
-- $6 channel of settlements
-- Returns: one row when ok, none when lost

WITH clock AS MATERIALIZED (
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
), written AS (
  UPDATE onceward.record r
  SET state = 'completed',
    reason = '',
    note = NULL,
    -- A second one is no other state of the WHERE: one that waits for the first one's lock must find itself ok.
    response = CASE WHEN r.state = 'completed' THEN r.response ELSE $5 END,
    expires_at_us = CASE WHEN r.state = 'completed' THEN r.expires_at_us
      ELSE c.now_us + ($4::float8 * 1000)::bigint END,
    sweep_at_us = CASE WHEN r.state = 'completed' THEN r.sweep_at_us
      ELSE least(r.sweep_at_us, c.now_us + ($4::float8 * 1000)::bigint) END
  FROM clock c
  WHERE r.record_key = $1 AND r.token = $2 AND r.owner = $3 AND r.expires_at_us > c.now_us
    AND r.state IN ('claimed', 'dispatched', 'unknown', 'completed')
  RETURNING r.awaited
)
-- Only where somebody waits: transactions that notify commit one after the other.
SELECT CASE WHEN awaited THEN pg_notify($6, $1)::text END FROM written
