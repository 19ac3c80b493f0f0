import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  baseConfig,
  type ChildProxy,
  type Folder,
  startChildProxy,
  temporaryFolder,
} from '../support/child-proxy.ts';
import { type Arrival, type CountingBackend, startCountingBackend } from '../support/counting-backend.ts';
import { type Answer, keyed, problemCode, sendRequest } from '../support/send-request.ts';

/** Whose key it is (edge cases 16 and 17). The backend answers with the caller it served. */

let backend: CountingBackend;
let folder: Folder;
let refusing: ChildProxy;
let allowing: ChildProxy;

beforeAll(async () => {
  backend = await startCountingBackend();
  folder = temporaryFolder();
  const config = (name: string, anonymous: string): string =>
    folder.config(
      {
        ...baseConfig(backend.origin, `lmdb:${folder.path}/${name}`),
        defaults: { scope: { anonymous }, inFlight: { wait: '10s', waiters: 100 } },
      },
      `${name}.yaml`,
    );
  refusing = await startChildProxy(['--config', config('refuse', 'refuse')]);
  allowing = await startChildProxy(['--config', config('allow', 'allow')]);
});

afterEach(() => backend.behave(answerCaller));

afterAll(async () => {
  await refusing?.kill();
  await allowing?.kill();
  await backend?.close();
  folder?.remove();
});

function answerCaller(arrival: Arrival): void {
  const execution = arrival.execute();
  arrival.answer(
    201,
    JSON.stringify({ caller: arrival.request.headers.authorization ?? 'nobody', execution }),
  );
}

function callerOf(answer: Answer): unknown {
  const parsed: unknown = JSON.parse(answer.body.toString('utf8'));
  return typeof parsed === 'object' && parsed !== null && 'caller' in parsed ? parsed.caller : null;
}

describe('two callers with the same key', () => {
  it('each execute, and each get their own answer again', async () => {
    backend.behave(answerCaller);
    const ask = (caller: string): Promise<Answer> =>
      sendRequest(refusing.port, { headers: keyed('same-key', caller) });

    const [ada, bob] = [await ask('Bearer ada'), await ask('Bearer bob')];
    const [adaAgain, bobAgain] = [await ask('Bearer ada'), await ask('Bearer bob')];

    expect([ada, bob, adaAgain, bobAgain].map(callerOf)).toEqual([
      'Bearer ada',
      'Bearer bob',
      'Bearer ada',
      'Bearer bob',
    ]);
    expect([ada, bob, adaAgain, bobAgain].map((answer) => answer.headers['idempotency-status'])).toEqual([
      'executed',
      'executed',
      'replayed',
      'replayed',
    ]);
    expect(adaAgain.body).toEqual(ada.body);
    expect(bobAgain.body).toEqual(bob.body);
    expect(backend.executions('same-key')).toBe(2);
  });

  it('at the same time join only their own execution', async () => {
    const held: Arrival[] = [];
    backend.behave((arrival) => {
      held.push(arrival);
      // Both executions are under way before either is answered: a joiner that mixed them up would show.
      if (held.length === 2) for (const one of held) answerCaller(one);
    });
    const callers = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 'Bearer ada' : 'Bearer bob'));

    const answers = await Promise.all(
      callers.map((caller) => sendRequest(refusing.port, { headers: keyed('joined-key', caller) })),
    );

    expect(answers.map(callerOf)).toEqual(callers);
    expect(backend.executions('joined-key')).toBe(2);
    expect(
      answers.filter((answer) => answer.headers['idempotency-status'] === 'joined').length,
    ).toBeGreaterThan(0);
  });

  it('are told apart even where they are twenty at once', async () => {
    backend.behave(answerCaller);
    const callers = Array.from({ length: 20 }, (_, i) => `Bearer tenant-${i}`);

    const first = await Promise.all(
      callers.map((caller) => sendRequest(refusing.port, { headers: keyed('key-of-20', caller) })),
    );
    const again = await Promise.all(
      callers.map((caller) => sendRequest(refusing.port, { headers: keyed('key-of-20', caller) })),
    );

    expect(first.map(callerOf)).toEqual(callers);
    expect(again.map((answer) => answer.body.toString())).toEqual(
      first.map((answer) => answer.body.toString()),
    );
    expect(backend.executions('key-of-20')).toBe(20);
  });
});

describe('a caller without credentials', () => {
  const anonymous = { 'Idempotency-Key': '"known-key"' };

  it('is refused with 400 scope-missing, and gets no answer of a caller with some', async () => {
    backend.behave(answerCaller);
    await sendRequest(refusing.port, { headers: keyed('known-key', 'Bearer ada') });

    const answer = await sendRequest(refusing.port, { headers: anonymous });

    expect(answer.status).toBe(400);
    expect(problemCode(answer)).toBe('scope-missing');
    expect(backend.executions('known-key')).toBe(1);
  });

  it('has a scope of its own where the file says anonymous: allow', async () => {
    backend.behave(answerCaller);
    const ada = await sendRequest(allowing.port, { headers: keyed('open-key', 'Bearer ada') });

    const nobody = await sendRequest(allowing.port, { headers: { 'Idempotency-Key': '"open-key"' } });
    const again = await sendRequest(allowing.port, { headers: { 'Idempotency-Key': '"open-key"' } });

    expect([ada, nobody, again].map(callerOf)).toEqual(['Bearer ada', 'nobody', 'nobody']);
    expect(again.headers['idempotency-status']).toBe('replayed');
    expect(backend.executions('open-key')).toBe(2);
  });

  it('is not taken for an empty credential', async () => {
    backend.behave(answerCaller);

    const answer = await sendRequest(refusing.port, {
      headers: { 'Idempotency-Key': '"empty-key"', Authorization: '' },
    });

    expect(problemCode(answer)).toBe('scope-missing');
    expect(backend.executions('empty-key')).toBe(0);
  });

  it('cannot give two credentials and leave the choice to others', async () => {
    backend.behave(answerCaller);
    const headers = { ...keyed('two-key'), Authorization: ['Bearer ada', 'Bearer bob'] };

    const answer = await sendRequest(refusing.port, { headers });

    expect(answer.status).toBe(400);
    expect(backend.executions('two-key')).toBe(0);
  });
});
