-- Purpose: the lease runs anew from now.
-- Guarantee: only for the holder. A dispatched claim that lapsed comes back; one that lapsed before dispatch is over.
-- $1 record key
-- $2 token
-- $3 owner
-- $4 lease in ms
-- Returns: one row when ok, none when lost

WITH clock AS MATERIALIZED (
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
)
UPDATE onceward.record r
SET claimed_at_us = c.now_us,
  lease_until_us = c.now_us + ($4::float8 * 1000)::bigint,
  expires_at_us = c.now_us + ($4::float8 * 1000)::bigint + r.unknown_retain_us
FROM clock c
WHERE r.record_key = $1 AND r.token = $2 AND r.owner = $3 AND r.expires_at_us > c.now_us
  AND (r.state = 'dispatched' OR (r.state = 'claimed' AND r.lease_until_us > c.now_us))
RETURNING 1
