import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ChildProxy } from '../support/child-proxy.ts';
import { type DocumentBackend, startDocumentBackend } from '../support/document-backend.ts';
import { type Answer, keyed, problemCode, sendRequest } from '../support/send-request.ts';
import { stageProxies } from '../support/two-proxies.ts';
import { until } from '../support/until.ts';

/** Versions that Onceward keeps, for a backend without ETags, between two proxies on one store. */

type Stage = {
  readonly documents: DocumentBackend;
  readonly proxies: readonly [ChildProxy, ChildProxy];
  start(): Promise<ChildProxy>;
  close(): Promise<void>;
};

async function openStage(kind: 'lmdb' | 'redis'): Promise<Stage> {
  const documents = await startDocumentBackend('none');
  const { start, close } = await stageProxies(kind, {
    backendOrigin: documents.backend.origin,
    store: { deadline: '600ms' },
    sections: {
      routes: [
        {
          name: 'documents',
          match: { path: '/documents/*/**' },
          keyIdempotentMethods: true,
          scope: { anonymous: 'allow' },
          lease: '2s',
          quiet: '1s',
          precondition: {
            require: 'if-match',
            versions: 'store',
            resource: '/documents/{id}',
            wait: '300ms',
          },
        },
      ],
    },
  });
  return {
    documents,
    proxies: await Promise.all([start(), start()]),
    start,
    async close() {
      await close();
      await documents.backend.close();
    },
  };
}

type Fields = Readonly<Record<string, string>>;

const get = (proxy: ChildProxy, path: string, headers: Fields = {}): Promise<Answer> =>
  sendRequest(proxy.port, { method: 'GET', path, headers });

const put = (proxy: ChildProxy, path: string, body: string, headers: Fields): Promise<Answer> =>
  sendRequest(proxy.port, { method: 'PUT', path, body, headers });

const etagOf = (answer: Answer): string => String(answer.headers.etag);
const CREATE: Fields = { 'If-None-Match': '*' };

describe.each(['lmdb', 'redis'] as const)('a version kept on %s', (kind) => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await openStage(kind);
  });
  afterAll(() => stage.close());

  it('lets one of two writes with one ETag through, and tells the other so without executing it', async () => {
    const { documents, proxies } = stage;
    const path = '/documents/contended';
    await put(proxies[0], path, '"first"', CREATE);
    const condition = { 'If-Match': etagOf(await get(proxies[1], path)) };

    const both = await Promise.all([
      put(proxies[0], path, '"left"', { ...condition, ...keyed(`left-${kind}`) }),
      put(proxies[1], path, '"right"', condition),
    ]);

    const loser = both.find(({ status }) => status === 412);
    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 412]);
    expect(JSON.parse(loser?.body.toString() ?? '{}')).toMatchObject({
      code: 'precondition-failed',
      executed: 'no',
      retryable: false,
    });
    const writes = documents.writes.filter((write) => write.path === path);
    expect(writes.map(({ over }) => over)).toEqual([null, '"first"']);
  });

  it('is the ETag of a write, of its replay and of the next read, and the write is made once', async () => {
    const { documents, proxies } = stage;
    const path = '/documents/replayed';
    const created = await put(proxies[0], path, '"first"', CREATE);
    const condition = { 'If-Match': etagOf(created), ...keyed(`replay-${kind}`) };
    const first = await put(proxies[0], path, '"second"', condition);

    const repeat = await put(proxies[1], path, '"second"', condition);
    const read = await get(proxies[1], path);

    expect([first.status, repeat.status, repeat.headers['idempotency-status']]).toEqual([
      ...[200, 200, 'replayed'],
    ]);
    expect(new Set([first, repeat, read].map(etagOf)).size).toBe(1);
    expect(etagOf(first)).not.toBe(etagOf(created));
    expect(documents.writes.filter((write) => write.path === path)).toHaveLength(2);
  });

  it('frees the key of a write it refuses', async () => {
    const { proxies } = stage;
    const path = '/documents/freed';
    const created = await put(proxies[0], path, '"first"', CREATE);
    const key = keyed(`freed-${kind}`);
    const refused = await put(proxies[0], path, '"second"', { 'If-Match': '"stale"', ...key });

    const again = await put(proxies[1], path, '"third"', { 'If-Match': etagOf(created), ...key });

    expect([refused.status, again.status, again.headers['idempotency-status']]).toEqual([
      412,
      200,
      'executed',
    ]);
  });

  it('is not told while a write is in flight, and other writes wait or get 409', async () => {
    const { documents, proxies } = stage;
    const path = '/documents/held';
    const created = await put(proxies[0], path, '"first"', CREATE);
    const condition = { 'If-Match': etagOf(created) };
    const held = documents.holdNextWrite();
    const writing = put(proxies[0], `${path}/title`, '"second"', condition);
    await held.made;

    const read = await get(proxies[1], path);
    const busy = await put(proxies[1], path, '"third"', condition);
    const stale = await put(proxies[1], path, '"third"', { 'If-Match': '"stale"' });
    held.release();
    const written = await writing;

    expect([read.status, read.headers.etag]).toEqual([200, undefined]);
    expect([busy.status, problemCode(busy)]).toEqual([409, 'version-busy']);
    expect(Number(busy.headers['retry-after'])).toBeGreaterThan(0);
    expect(stale.status).toBe(412);
    expect(etagOf(await get(proxies[1], path))).toBe(etagOf(written));
    expect((await put(proxies[1], path, '"third"', condition)).status).toBe(412);
  });

  it('stays when the backend refuses the write', async () => {
    const { documents, proxies } = stage;
    const path = '/documents/refused';
    const condition = { 'If-Match': etagOf(await put(proxies[0], path, '"first"', CREATE)) };
    documents.refuseWith(422);

    const refused = await put(proxies[0], path, '"wrong"', condition);
    const corrected = await put(proxies[1], path, '"right"', condition);

    expect([refused.status, refused.headers.etag, corrected.status]).toEqual([422, undefined, 200]);
  });

  it('lets a resource be created once', async () => {
    const { documents, proxies } = stage;
    const path = '/documents/created';

    const both = await Promise.all(proxies.map((proxy, index) => put(proxy, path, `"${index}"`, CREATE)));

    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 412]);
    expect(documents.writes.filter((write) => write.path === path)).toHaveLength(1);
  });

  it('of a resource that was never written here is that of its reading', async () => {
    const { documents, proxies } = stage;
    const path = '/documents/old';
    await sendRequest(documents.backend.port, { method: 'PUT', path, body: '"old"' });
    const tags = [etagOf(await get(proxies[0], path)), etagOf(await get(proxies[1], path))];

    const statuses: number[] = [];
    for (const tag of tags) {
      statuses.push((await put(proxies[0], path, '"new"', { 'If-Match': tag })).status);
    }

    expect(statuses).toEqual([200, 412]);
  });

  it('is never answered with 304, whatever the client has', async () => {
    const { proxies } = stage;
    const path = '/documents/fresh';
    const created = await put(proxies[0], path, '"first"', CREATE);

    const read = await get(proxies[0], path, { 'If-None-Match': etagOf(created) });

    expect([read.status, read.body.toString(), etagOf(read)]).toEqual([200, '"first"', etagOf(created)]);
  });

  it('is in doubt when its writer dies, then moved, so that nobody overwrites what may have been written', async () => {
    const { documents, proxies, start } = stage;
    const path = '/documents/orphaned';
    const old = { 'If-Match': etagOf(await put(proxies[0], path, '"first"', CREATE)) };
    const held = documents.holdNextWrite();
    const victim = await start();
    const sent = put(victim, path, '"second"', { ...old, ...keyed(`orphan-${kind}`) }).catch(() => 'broken');
    await held.made;
    await victim.kill();

    expect(await sent).toBe('broken');
    const doubtful = await until('the lease is over', async () => {
      const answer = await put(proxies[0], path, '"third"', old);
      return problemCode(answer) === 'version-busy' ? null : answer;
    });
    const read = await get(proxies[1], path);
    const later = await until('a version is told again', async () => {
      const answer = await get(proxies[1], path);
      return answer.headers.etag === undefined ? null : answer;
    });
    const stale = await until('the other proxy has seen it for long enough too', async () => {
      const answer = await put(proxies[0], path, '"third"', old);
      return answer.status === 409 ? null : answer;
    });
    const next = await put(proxies[0], path, '"third"', { 'If-Match': etagOf(later) });
    held.release();

    expect([doubtful.status, problemCode(doubtful)]).toEqual([409, 'version-unknown']);
    expect([read.status, read.headers.etag]).toEqual([200, undefined]);
    expect([later.body.toString(), stale.status, next.status]).toEqual(['"second"', 412, 200]);
    expect(documents.writes.filter((write) => write.path === path).map(({ over }) => over)).toEqual([
      ...[null, '"first"', '"second"'],
    ]);
  });

  it('is not moved back by a writer that slept while another came after it', async () => {
    const { documents, proxies, start } = stage;
    const path = '/documents/sleeper';
    const old = { 'If-Match': etagOf(await put(proxies[0], path, '"first"', CREATE)) };
    const held = documents.holdNextWrite();
    const sleeper = await start();
    const sent = put(sleeper, path, '"second"', { ...old, ...keyed(`sleeper-${kind}`) });
    await held.made;
    sleeper.signal('SIGSTOP');

    const told = await until('the write of the sleeper counts as made', async () => {
      const answer = await get(proxies[0], path);
      return answer.headers.etag === undefined ? null : answer;
    });
    const next = await put(proxies[0], path, '"third"', { 'If-Match': etagOf(told) });
    held.release();
    sleeper.signal('SIGCONT');
    const late = await sent;
    const lost = await sleeper.logLine(({ msg }) => String(msg).startsWith('version lost'));

    expect([told.body.toString(), next.status, late.status]).toEqual(['"second"', 200, 200]);
    expect(lost).toMatchObject({ route: 'documents' });
    expect(etagOf(await get(proxies[0], path))).toBe(etagOf(next));
    expect((await put(proxies[0], path, '"fourth"', { 'If-Match': etagOf(late) })).status).toBe(412);
  });
});
