-- Purpose: proves that the store is still this secret's and takes writes.
-- Guarantee: written even when unchanged: a server that is read only or full says so here.
-- $1 all ids that are accepted
-- Returns: one row when it is this secret's, none when it may be another's

UPDATE onceward.identity
SET proved_at = clock_timestamp()
WHERE secret_id = ANY ($1::text[])
RETURNING 1
