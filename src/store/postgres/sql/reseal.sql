-- Purpose: keeps another form of the same response, such as one sealed under a newer key.
-- Guarantee: only a completed record, and only with this token. Its life and all else of it stay. Nobody waits for it.
-- $1 record key
-- $2 token
-- $3 response
-- Returns: one row when ok, none when lost

WITH clock AS MATERIALIZED (
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us
)
UPDATE onceward.record r
SET response = $3
FROM clock c
WHERE r.record_key = $1 AND r.token = $2 AND r.expires_at_us > c.now_us AND r.state = 'completed'
RETURNING 1
