-- Purpose: ends an unknown: an operator or a probe says what became of it. Or gives a completed key free again.
-- Guarantee: only an unknown record, or a dispatched one whose lease lapsed, and only with this token; for restarted
--   only a completed one. The owner is erased: an answer of the old holder is refused from now on.
-- $1 record key
-- $2 token
-- $3 completed | released | restarted, which is released from completed
-- $4 life of the record, or of what remains of it, in ms
-- $5 response, or null unless completed
-- $6 channel of settlements
-- $7 how long it must have been unknown to be released, in ms
-- Returns: one row when ok, none when lost

WITH clock AS MATERIALIZED (
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
), written AS (
  UPDATE onceward.record r
  SET state = CASE WHEN $3::text = 'restarted' THEN 'released' ELSE $3::text END,
    owner = '',
    reason = '',
    note = NULL,
    retry_after_ms = NULL,
    response = $5,
    expires_at_us = c.now_us + ($4::float8 * 1000)::bigint,
    sweep_at_us = least(r.sweep_at_us, c.now_us + ($4::float8 * 1000)::bigint)
  FROM clock c
  WHERE r.record_key = $1 AND r.token = $2 AND r.expires_at_us > c.now_us
    AND (($3::text = 'restarted' AND r.state = 'completed')
      OR ($3::text <> 'restarted'
        AND (r.state = 'unknown' OR (r.state = 'dispatched' AND r.lease_until_us <= c.now_us))))
    -- A holder that woke up since the question was asked has made it unknown anew, under the same token.
    AND ($3::text <> 'released' OR $7::float8 * 1000 <= greatest(
      0, c.now_us - CASE WHEN r.state = 'unknown' THEN r.unknown_since_us ELSE r.lease_until_us END
    ))
  RETURNING r.awaited
)
SELECT CASE WHEN awaited THEN pg_notify($6, $1)::text END FROM written
