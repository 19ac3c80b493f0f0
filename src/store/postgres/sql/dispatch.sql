-- Purpose: claimed -> dispatched, before the first byte goes to the upstream.
-- Guarantee: only for the holder, and only while its lease runs: a lapsed claim may be another's in the next moment.
--   Sent again after a lost reply it is ok again.
-- $1 record key
-- $2 token
-- $3 owner
-- Returns: one row when ok, none when lost

WITH clock AS MATERIALIZED (
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
)
UPDATE onceward.record r
SET state = 'dispatched'
FROM clock c
WHERE r.record_key = $1 AND r.token = $2 AND r.owner = $3 AND r.state IN ('claimed', 'dispatched')
  AND r.lease_until_us > c.now_us AND r.expires_at_us > c.now_us
RETURNING 1
