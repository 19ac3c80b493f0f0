import { afterEach, describe, expect, it } from 'vitest';
import { executeAndAnswer } from '../support/counting-backend.ts';
import type { OtherKind } from '../support/other-proxies.ts';
import { keyed, problemCode, sendRequest } from '../support/send-request.ts';
import { swap } from './recipe.ts';
import { type Stage, stageCell } from './stage.ts';

/** A proxy before Onceward that sends a keyed POST again by itself, which HTTP does not allow and people configure. */

let stage: Stage | null = null;
afterEach(async () => {
  await stage?.close();
  stage = null;
});

/** The same Onceward twice, so that there is another to go to. */
function twice(text: string, line: RegExp): string {
  const [found = ''] = line.exec(text) ?? [];
  return swap(text, found, `${found}\n${found.replace('server onceward', 'server other')}`);
}

const RETRYING: Readonly<Record<OtherKind, (text: string) => string>> = {
  nginx: (text) =>
    swap(
      twice(text, /^ *server 127.*;$/m),
      'proxy_http_version 1.1;',
      'proxy_http_version 1.1; proxy_next_upstream error timeout http_502 http_504 non_idempotent;',
    ),
  haproxy: (text) =>
    swap(
      twice(text, /^ *server onceward .*$/m),
      '\nbackend onceward\n',
      '\nbackend onceward\n    option http-buffer-request\n    option redispatch 1\n    retries 3\n    retry-on all-retryable-errors 502 504\n',
    ),
};

describe.each<OtherKind>(['nginx', 'haproxy'])('%s that sends again what failed', (before) => {
  it('is told that the outcome is not known, and nothing is executed twice', async () => {
    stage = await stageCell({ name: before, before, behind: null }, { before: RETRYING[before] });
    stage.backend.behave((arrival) => {
      arrival.execute();
      arrival.reset();
    });

    const answer = await sendRequest(stage.port, { path: '/orders/new', headers: keyed('k-1') });
    const asked = await stage.onceward.ended(2);

    expect([answer.status, problemCode(answer)]).toEqual([409, 'outcome-unknown']);
    expect(asked.map(({ outcome }) => outcome).slice(0, 2)).toEqual(['parked', 'unknown']);
    expect(stage.backend.executions('k-1')).toBe(1);
  });

  it('gets the one answer where the first try only took too long', async () => {
    const short = (text: string): string =>
      before === 'nginx'
        ? swap(text, 'proxy_read_timeout 90s', 'proxy_read_timeout 300ms')
        : swap(text, 'timeout server  90s', 'timeout server  300ms');
    stage = await stageCell(
      { name: before, before, behind: null },
      { before: (text) => short(RETRYING[before](text)) },
    );
    const { backend } = stage;
    // A slow backend: longer than the proxy before waits.
    backend.behave((arrival) => void setTimeout(() => executeAndAnswer(arrival), 400));

    const answer = await sendRequest(stage.port, { path: '/orders/new', headers: keyed('k-2') });

    expect(answer.status).toBe(201);
    // By whether the second try came before the answer or after it.
    expect(['joined', 'replayed']).toContain(answer.headers['idempotency-status']);
    expect(backend.executions('k-2')).toBe(1);
  });
});
