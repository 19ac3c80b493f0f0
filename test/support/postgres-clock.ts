import type { PostgresServer } from './postgres-server.ts';

/** The time of a server in the hands of a test. */
export type PostgresClock = {
  nowMs(): number;
  /** Forward only. */
  advance(ms: number): Promise<void>;
};

const START_MS = 1_795_000_000_000;

/** Puts a `clock_timestamp` before the server's own, for every connection that is made from now on. */
export async function takeClock(server: PostgresServer): Promise<PostgresClock> {
  let nowMs = START_MS;
  await server.command(`
    CREATE SCHEMA test_clock;
    CREATE TABLE test_clock.time (now_ms float8);
    INSERT INTO test_clock.time VALUES (${nowMs});
    CREATE FUNCTION test_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
      AS 'SELECT to_timestamp(now_ms / 1000) FROM test_clock.time';
    ALTER ROLE onceward SET search_path = test_clock, pg_catalog, public;
  `);
  return {
    nowMs: () => nowMs,
    async advance(ms) {
      nowMs += ms;
      await server.command(`UPDATE test_clock.time SET now_ms = ${nowMs}`);
    },
  };
}
