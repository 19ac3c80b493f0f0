import { describe, expect, it } from 'vitest';
import { loadConfigText } from '../../src/config/load.ts';
import type { ResolvedConfig } from '../../src/config/resolved.ts';
import { shareOfPrimary, shareOfWorker } from '../../src/config/share.ts';

function configOf(text: string): ResolvedConfig {
  const loaded = loadConfigText(
    `upstream: { url: "http://127.0.0.1:3000", connections: 100 }\n${text}`,
    'o.yaml',
    {},
  );
  if (loaded.kind === 'faults') throw new Error(loaded.faults.map((fault) => fault.text).join('\n'));
  return loaded.config;
}

const POSTGRES =
  'store: { url: "postgres://h/d", connections: 16 }\nsecrets: [0123456789abcdef0123456789abcdef]\nworkers: 4';

describe('the share of a worker', () => {
  it('adds up to what the file grants to all, rounded up', () => {
    const config = configOf(
      'workers: 3\nlimits: { buffer: 256MiB, inFlight: 1000, joiners: 100, tasks: 10, connections: 500 }',
    );

    const { limits, upstream } = shareOfWorker(config, 3);

    expect(limits).toMatchObject({ inFlightMax: 334, joinersMax: 34, tasksMax: 4, connectionsMax: 500 });
    expect(limits.bufferBytesMax).toBe(Math.ceil(config.limits.bufferBytesMax / 3));
    expect(upstream.connectionsMax).toBe(34);
  });

  it('of the connections to PostgreSQL is two at least, and of the primary two', () => {
    const config = configOf(POSTGRES);

    const connections = [shareOfWorker(config, 4), shareOfWorker(config, 64), shareOfPrimary(config)].map(
      ({ store }) => (store.kind === 'postgres' ? store.connectionsMax : null),
    );

    expect(connections).toEqual([4, 2, 2]);
  });
});
