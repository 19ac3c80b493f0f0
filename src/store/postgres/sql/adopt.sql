-- Purpose: makes the store this secret's: under another one every repeat would be another record, and would be executed
--   again.
-- Guarantee: one write of the id wins; it is never replaced by one that the caller did not name.
-- $1 current id
-- $2 all ids that are accepted
-- Returns: one row when it is this secret's, none when it may be another's

INSERT INTO onceward.identity AS i (secret_id)
VALUES ($1)
ON CONFLICT (single) DO UPDATE
SET secret_id = excluded.secret_id
WHERE i.secret_id = ANY ($2::text[])
RETURNING 1
