import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLASSES, SERVED } from '../smuggling/classes.ts';
import { attack, fromBackend } from '../smuggling/oracle.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../smuggling/recording-upstream.ts';
import type { OtherKind, OtherProxy } from '../support/other-proxies.ts';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { swap } from './recipe.ts';
import { start } from './stage.ts';

/**
 * The classes of smuggling through another proxy: what it passes on and how Onceward reads that may not come apart. As many
 * requests as the backend sees, as many answers of it the client has; and the next request is one request.
 */

/** Clients here close their side once all is sent, and are answered all the same. */
const PATIENT: Readonly<Record<OtherKind, (text: string) => string>> = {
  nginx: (text) =>
    swap(text, 'proxy_http_version 1.1;', 'proxy_http_version 1.1; proxy_ignore_client_abort on;'),
  haproxy: (text) => text,
};

describe.each<OtherKind>(['nginx', 'haproxy'])('through %s, as many answers as requests come of', (kind) => {
  let upstream: RecordingUpstream;
  let onceward: TestProxy;
  let front: OtherProxy;
  let tries = 0;

  beforeAll(async () => {
    upstream = await startRecordingUpstream();
    onceward = await startProxy({ upstreamPort: upstream.port });
    front = await start(kind, 'before', onceward.port, PATIENT[kind]);
  });
  afterAll(async () => {
    await front.kill();
    await onceward.close();
    await upstream.close();
  });

  it.each([...CLASSES, ...SERVED])('$name', async ({ name, text }) => {
    tries += 1;
    // A key of its own, or the answer would be that of another case.
    const own = text.replace(/Idempotency-Key: k\b/gi, `Idempotency-Key: k${tries}`);
    const seen = await attack(front.port, {
      parts: [Buffer.from(own, 'latin1')],
      methods: own.startsWith('HEAD') ? ['HEAD'] : [],
    });
    const { requests, faults } = upstream.take();

    expect(faults).toEqual([]);
    // nginx itself answers HTTP/0.9 as that wants it, without a head.
    expect(seen.faults).toEqual(kind === 'nginx' && name === 'HTTP/0.9' ? ['a bare CR or LF'] : []);
    expect(requests).toHaveLength(seen.answers.filter(fromBackend).length);
    const marker = await fetch(`http://127.0.0.1:${front.port}/marker/${tries}`);
    expect(marker.status).toBe(200);
    expect(upstream.take().requests.map(({ method, target }) => `${method} ${target}`)).toEqual([
      `GET /marker/${tries}`,
    ]);
    expect(onceward.lines.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
