-- Purpose: whose the store is.
-- Guarantee: reads only, so that replays go on where writes do not.
-- Returns: the id of the secret; no row when there is none

SELECT secret_id FROM onceward.identity
