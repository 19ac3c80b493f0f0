-- Purpose: the records, and the one row that says whose they are.
-- Guarantee: runs once, in the transaction that notes its number.

CREATE TABLE onceward.record (
  record_key text COLLATE "C" PRIMARY KEY,
  state text NOT NULL CHECK (state IN ('claimed', 'dispatched', 'completed', 'unknown', 'released')),
  token bigint NOT NULL,
  owner text NOT NULL,
  attempt integer NOT NULL,
  fingerprint text NOT NULL,
  policy_id text NOT NULL,
  -- All times are the server's, in microseconds since 1970.
  claimed_at_us bigint NOT NULL,
  lease_until_us bigint NOT NULL,
  unknown_retain_us bigint NOT NULL,
  unknown_since_us bigint NOT NULL DEFAULT 0,
  reason text NOT NULL DEFAULT '',
  retry_after_ms float8,
  expires_at_us bigint NOT NULL,
  -- When the sweep looks at the record: at its expiry or before it. Apart from the expiry, because a settlement that
  -- changes an indexed column writes every index anew.
  sweep_at_us bigint NOT NULL,
  -- A joiner waits: the settlement has to notify.
  awaited boolean NOT NULL DEFAULT false,
  response bytea
)
-- Room on the page for the version that the settlement writes.
WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX record_sweep ON onceward.record (sweep_at_us);

CREATE TABLE onceward.identity (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  secret_id text NOT NULL,
  -- The highest token of any record that was removed: the next grant of its key must be above it.
  token_floor bigint NOT NULL DEFAULT 0,
  proved_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
