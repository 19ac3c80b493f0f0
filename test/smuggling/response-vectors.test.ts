import { afterAll, beforeAll, expect, it } from 'vitest';
import { createStage } from '../http/stage.ts';
import type { TestProxy } from '../support/proxy.ts';
import { describeWithVectors } from '../support/vectors.ts';
import { attack } from './oracle.ts';
import { parseAnswer, valuesOf } from './strict-http.ts';

/** The responses of llhttp from a backend: what is kept is what a strict parser takes for one whole answer. */

const stage = createStage();
let proxy: TestProxy;
let payload = Buffer.alloc(0);

beforeAll(async () => {
  const port = await stage.sink((socket) => {
    socket.setNoDelay(true);
    socket.on('data', () => socket.end(payload));
  });
  proxy = await stage.proxyTo(port, { upstream: 'headTimeout: 2s, lateAnswer: 0s' });
});
afterAll(() => stage.close());

type Vector = { readonly id: string; readonly type: string; readonly payload_b64: string };

function vectorsOf(json: unknown): readonly Vector[] {
  if (typeof json !== 'object' || json === null || !('vectors' in json) || !Array.isArray(json.vectors))
    return [];
  return json.vectors.filter(({ type }) => type !== 'request');
}

describeWithVectors('the responses of llhttp', ['llhttp-vectors.json'], (read) => {
  const vectors = vectorsOf(read('llhttp-vectors.json'));

  it('are dozens', () => {
    expect(vectors.length).toBeGreaterThan(40);
  });

  it.each(vectors.map((vector, at) => ({ ...vector, at })))(
    '$id: kept only as one whole answer',
    async ({ payload_b64, at }) => {
      payload = Buffer.from(payload_b64, 'base64');
      const parts = [
        Buffer.from(`POST /v HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k-${at}\r\nContent-Length: 0\r\n\r\n`),
      ];

      const first = await attack(proxy.port, { parts });
      const second = await attack(proxy.port, { parts });

      expect([...first.faults, ...second.faults]).toEqual([]);
      const [again] = second.answers;
      if (again !== undefined && valuesOf(again.fields, 'idempotency-status').includes('replayed')) {
        const strict = parseAnswer(payload, 'POST', 'closed', 'allowed');
        expect(strict).toMatchObject({ kind: 'message', message: { status: again.status, end: 'proven' } });
        expect(strict.kind === 'message' && again.body.equals(strict.message.body)).toBe(true);
      }
      // Nothing of a message behind the first is ever an answer.
      expect(first.answers.length).toBeLessThanOrEqual(1);
      expect(proxy.lines.filter(({ level }) => level === 'error')).toEqual([]);
    },
  );
});
