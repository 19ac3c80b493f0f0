import { afterAll, beforeAll, expect, it } from 'vitest';
import { startProxy, type TestProxy } from '../support/proxy.ts';
import { describeWithVectors } from '../support/vectors.ts';
import { attack, disagreements } from './oracle.ts';
import { type RecordingUpstream, startRecordingUpstream } from './recording-upstream.ts';

/** Vectors of others through the real proxy; the bytes behind it are read by a strict parser. */

let proxy: TestProxy;
let upstream: RecordingUpstream;
beforeAll(async () => {
  upstream = await startRecordingUpstream();
  proxy = await startProxy({ upstreamPort: upstream.port, top: 'drain: { timeout: 0s }' });
});
afterAll(async () => {
  await proxy.close();
  await upstream.close();
});

type Vector = {
  readonly id: string;
  readonly type?: string;
  readonly payload_b64?: string;
  readonly parts_b64?: readonly string[];
  readonly strict?: boolean;
  readonly expectError?: string | null;
};

function vectorsOf(json: unknown): readonly Vector[] {
  if (typeof json !== 'object' || json === null || !('vectors' in json) || !Array.isArray(json.vectors))
    return [];
  return json.vectors;
}

describeWithVectors('the gadgets of Transfer-Encoding', ['te-gadgets.json'], (read) => {
  it.each(vectorsOf(read('te-gadgets.json')))(
    '$id sends no second request to the backend',
    async ({ parts_b64 = [] }) => {
      const before = proxy.lines.length;

      const seen = await attack(proxy.port, { parts: parts_b64.map((part) => Buffer.from(part, 'base64')) });

      const { requests, faults } = upstream.take();
      expect(requests.filter(({ target }) => target === '/smuggled')).toEqual([]);
      expect(requests.length).toBeLessThanOrEqual(1);
      expect([...faults, ...seen.faults]).toEqual([]);
      expect(proxy.lines.slice(before).filter(({ level }) => level === 'error')).toEqual([]);
    },
  );
});

describeWithVectors('the requests of llhttp', ['llhttp-vectors.json'], (read) => {
  const requests = vectorsOf(read('llhttp-vectors.json')).filter(({ type }) => type === 'request');

  it('are more than a hundred', () => {
    expect(requests.length).toBeGreaterThan(100);
  });

  it.each(requests)(
    '$id: the backend sees what the proxy took, and nothing else',
    async ({ payload_b64 = '' }) => {
      const text = Buffer.from(payload_b64, 'base64').toString('latin1');
      // Most have no Host, and would all be refused for that.
      const withHost = /^host:/im.test(text) ? text : text.replace('\r\n', '\r\nHost: a\r\n');
      for (const sent of new Set([text, withHost])) {
        const before = proxy.lines.length;

        const seen = await attack(proxy.port, {
          parts: [Buffer.from(sent, 'latin1')],
          methods: sent.startsWith('HEAD') ? ['HEAD'] : [],
        });

        expect(disagreements(proxy.lines.slice(before), upstream)).toEqual([]);
        expect(seen.faults).toEqual([]);
      }
    },
  );
});

describeWithVectors('naughty strings', ['blns.json'], (read) => {
  const json = read('blns.json');
  const strings: readonly string[] = Array.isArray(json) ? json.map(String) : [];

  it('are hundreds', () => {
    expect(strings.length).toBeGreaterThan(400);
  });

  it('as targets, field values, keys and bodies are one request each, or refused', async () => {
    for (let from = 0; from < strings.length; from += 16) {
      const before = proxy.lines.length;
      const attacks = strings.slice(from, from + 16).flatMap((text) => {
        const raw = Buffer.from(text, 'utf8').toString('latin1');
        const body = Buffer.from(text, 'utf8');
        return [
          `GET /${raw} HTTP/1.1\r\nHost: a\r\n\r\n`,
          `GET /a?${raw} HTTP/1.1\r\nHost: a\r\n\r\n`,
          `GET /a HTTP/1.1\r\nHost: a\r\nX-Naughty: ${raw}\r\n\r\n`,
          `POST /a HTTP/1.1\r\nHost: a\r\nIdempotency-Key: ${raw}\r\nContent-Length: ${body.length}\r\n\r\n${raw}`,
        ];
      });

      const seen = await Promise.all(
        attacks.map((text) => attack(proxy.port, { parts: [Buffer.from(text, 'latin1')] })),
      );

      expect(seen.flatMap(({ faults }) => faults)).toEqual([]);
      expect(disagreements(proxy.lines.slice(before), upstream)).toEqual([]);
    }
  });
});
