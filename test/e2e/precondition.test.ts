import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ChildProxy } from '../support/child-proxy.ts';
import { type DocumentBackend, startDocumentBackend } from '../support/document-backend.ts';
import { type Answer, keyed, problemCode, sendRequest } from '../support/send-request.ts';
import { stageProxies } from '../support/two-proxies.ts';

/** A backend with ETags of its own: Onceward demands the condition, the backend judges it. */

type Stage = {
  readonly documents: DocumentBackend;
  readonly proxies: readonly [ChildProxy, ChildProxy];
  close(): Promise<void>;
};

async function openStage(kind: 'lmdb' | 'redis'): Promise<Stage> {
  const documents = await startDocumentBackend('own');
  const { start, close } = await stageProxies(kind, {
    backendOrigin: documents.backend.origin,
    sections: {
      routes: [
        {
          name: 'documents',
          match: { path: '/documents/*' },
          keyIdempotentMethods: true,
          scope: { anonymous: 'allow' },
          precondition: { require: 'if-match' },
        },
      ],
    },
  });
  return {
    documents,
    proxies: await Promise.all([start(), start()]),
    async close() {
      await close();
      await documents.backend.close();
    },
  };
}

function put(
  proxy: ChildProxy,
  path: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  return sendRequest(proxy.port, { method: 'PUT', path, body, headers });
}

describe.each(['lmdb', 'redis'] as const)('a demanded condition over %s', (kind) => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await openStage(kind);
  });
  afterAll(() => stage.close());

  it('keeps an unconditional write from the backend, and says what to do', async () => {
    const { documents, proxies } = stage;
    const path = '/documents/1';

    const answer = await put(proxies[0], path, '"a"', keyed('k'));

    expect([answer.status, problemCode(answer)]).toEqual([428, 'precondition-required']);
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      retryable: false,
      sameKey: true,
      executed: 'unknown',
      detail: expect.stringMatching(/GET.*If-Match/),
    });
    expect(documents.content(path)).toBeNull();
  });

  it('is passed on with the ETag of the backend: of two with one ETag, one writes', async () => {
    const { documents, proxies } = stage;
    const path = '/documents/2';
    await put(proxies[0], path, '"first"', { 'If-None-Match': '*' });
    const read = await sendRequest(proxies[1].port, { method: 'GET', path });
    const condition = { 'If-Match': String(read.headers.etag) };

    const both = await Promise.all([
      put(proxies[0], path, '"left"', { ...condition, ...keyed('left') }),
      put(proxies[1], path, '"right"', { ...condition, ...keyed('right') }),
    ]);

    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 412]);
    expect(documents.writes.filter((write) => write.path === path).map(({ over }) => over)).toEqual([
      null,
      '"first"',
    ]);
  });

  it('of a repeat is not asked again: it gets the first success, not 412, from the other proxy too', async () => {
    const { documents, proxies } = stage;
    const path = '/documents/3';
    const created = await put(proxies[0], path, '"first"', { 'If-None-Match': '*' });
    const condition = { 'If-Match': String(created.headers.etag), ...keyed('k') };
    const first = await put(proxies[0], path, '"second"', condition);

    const repeat = await put(proxies[1], path, '"second"', condition);

    expect([first.status, repeat.status, repeat.headers['idempotency-status']]).toEqual([
      200,
      200,
      'replayed',
    ]);
    expect(repeat.headers.etag).toBe(first.headers.etag);
    expect(documents.writes.filter((write) => write.path === path)).toHaveLength(2);
  });

  it('that creates succeeds once', async () => {
    const { documents, proxies } = stage;
    const path = '/documents/4';

    const both = await Promise.all(
      proxies.map((proxy, index) => put(proxy, path, `"${index}"`, { 'If-None-Match': '*' })),
    );

    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 412]);
    expect(documents.writes.filter((write) => write.path === path)).toHaveLength(1);
  });
});
