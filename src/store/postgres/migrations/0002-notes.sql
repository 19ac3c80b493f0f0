-- Purpose: what came with a claim for a probe, kept until the record is completed or released.
-- Guarantee: no row is rewritten; the version before goes on reading and writing, and knows nothing of it. A note that
--   it leaves behind does not open under the fingerprint of another request.

ALTER TABLE onceward.record ADD COLUMN note bytea;
