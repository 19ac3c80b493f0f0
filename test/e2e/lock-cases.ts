import { afterEach, describe, expect, it } from 'vitest';
import type { ChildProxy } from '../support/child-proxy.ts';
import { type LockStage, type LockStore, lockStage } from '../support/lock-stage.ts';
import { type Answer, keyed, problemCode, sendRequest } from '../support/send-request.ts';
import { until } from '../support/until.ts';

/** Two proxies over one store, and a backend that must never work on one account for two requests at once. */

const closers: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

export async function stagedLocks(
  store: LockStore,
  lock: Readonly<Record<string, unknown>> = {},
): Promise<{ readonly stage: LockStage; readonly one: ChildProxy; readonly two: ChildProxy }> {
  const stage = await lockStage({ store, lock }, closers);
  const [one, two] = await Promise.all([stage.start(), stage.start()]);
  return { stage, one, two };
}

const charge = (proxy: ChildProxy, account: string, key: string): Promise<Answer> =>
  sendRequest(proxy.port, { path: `/accounts/${account}/charges`, headers: keyed(key) });
const put = (proxy: ChildProxy, account: string): Promise<Answer> =>
  sendRequest(proxy.port, { method: 'PUT', path: `/accounts/${account}/limit` });
const transfer = (proxy: ChildProxy, key: string, from: string, to: string): Promise<Answer> =>
  sendRequest(proxy.port, {
    path: '/transfers',
    headers: keyed(key),
    body: JSON.stringify({ from, to }),
  });

function expectGrowing(tokens: readonly number[] | undefined): void {
  const sorted = [...new Set(tokens)].sort((a, b) => a - b);
  expect(tokens).toEqual(sorted);
  expect(sorted[0]).toBeGreaterThan(1_700_000_000_000_000);
}

export function locksOn(name: string, store: () => LockStore): void {
  describe(`a lock on ${name}`, () => {
    it('lets requests with and without a key in one at a time, from both proxies, with growing tokens', async () => {
      const { stage, one, two } = await stagedLocks(store(), { wait: '30s' });
      const other = stage.hold('b');
      const elsewhere = charge(one, 'b', 'held');
      await other.arrived;

      const answers = await Promise.all(
        Array.from({ length: 24 }, (_, i) => {
          const proxy = i % 2 === 0 ? one : two;
          return i % 3 === 0 ? put(proxy, 'a') : charge(proxy, 'a', `k${i}`);
        }),
      );
      // It has been at work the whole time: another account waits for nobody.
      other.release();

      expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 24 }, () => 201));
      expect((await elsewhere).status).toBe(201);
      expect([stage.overlap(), stage.backend.executionsOfAll()]).toEqual([1, 25]);
      expectGrowing(stage.tokens().get('a'));
    });

    it('whose turn does not come in time is told 423, and the same key succeeds later', async () => {
      const { stage, one, two } = await stagedLocks(store(), { wait: '300ms' });
      const held = stage.hold('a');
      const first = charge(one, 'a', 'k1');
      await held.arrived;

      const refused = await charge(two, 'a', 'k2');
      const unkeyed = await put(two, 'a');
      held.release();
      const firstAnswer = await first;
      // Given back in the background, a moment after its answer.
      const again = await until('its turn has come', async () => {
        const answer = await charge(two, 'a', 'k2');
        return answer.status === 423 ? null : answer;
      });
      const replayed = await charge(one, 'a', 'k2');

      expect([refused.status, problemCode(refused), refused.headers['retry-after']]).toEqual([
        423,
        'locked',
        '1',
      ]);
      expect(JSON.parse(refused.body.toString())).toMatchObject({
        executed: 'no',
        sameKey: true,
        retryable: true,
        idempotency_key: 'k2',
      });
      expect([unkeyed.status, problemCode(unkeyed)]).toEqual([423, 'locked']);
      expect([firstAnswer.status, again.status]).toEqual([201, 201]);
      expect(replayed.headers['idempotency-status']).toBe('replayed');
      expect([stage.backend.executions('k2'), stage.backend.executionsOfAll()]).toEqual([1, 2]);
    });

    it('goes on to who waits when its holder is killed, with a greater token', async () => {
      const { stage, one, two } = await stagedLocks(store(), { lease: 'short', wait: '20s' });
      const held = stage.hold('a');
      const first = charge(one, 'a', 'k1').catch(() => 'broken');
      await held.arrived;
      const waiting = [charge(two, 'a', 'k2'), put(two, 'a')];

      await one.kill();
      expect(await first).toBe('broken');
      held.release();

      expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([201, 201]);
      expectGrowing(stage.tokens().get('a'));
      expect(stage.overlap()).toBe(1);
    });

    it('is taken past a waiter that was killed', async () => {
      const { stage, one, two } = await stagedLocks(store(), { lease: '5s', wait: '60s' });
      const held = stage.hold('a');
      const first = charge(two, 'a', 'k1');
      await held.arrived;
      const dead = charge(one, 'a', 'k2').catch(() => 'broken');
      // What came after it has been through: by then it stands in the queue.
      await charge(one, 'b', 'k0');
      const behind = charge(two, 'a', 'k3');

      await one.kill();
      expect(await dead).toBe('broken');
      held.release();

      expect([(await first).status, (await behind).status]).toEqual([201, 201]);
      expect([stage.backend.executions('k2'), stage.overlap()]).toEqual([0, 1]);
    });

    it('of several resources is taken whole, whatever order the requests name them in', async () => {
      const { stage, one, two } = await stagedLocks(store(), { wait: '30s' });

      const answers = await Promise.all(
        Array.from({ length: 16 }, (_, i) =>
          i % 2 === 0 ? transfer(one, `k${i}`, 'a', 'b') : transfer(two, `k${i}`, 'b', 'a'),
        ),
      );

      expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 16 }, () => 201));
      expect([stage.overlap(), stage.backend.executionsOfAll()]).toEqual([1, 16]);
      expectGrowing(stage.tokens().get('a'));
      expectGrowing(stage.tokens().get('b'));
    });

    it('that a frozen holder has lost goes to another with a greater token, and the loss is told', async () => {
      const { stage, one, two } = await stagedLocks(store(), { lease: 'short', wait: '20s' });
      const held = stage.hold('a');
      const first = charge(one, 'a', 'k1');
      await held.arrived;

      one.signal('SIGSTOP');
      const second = charge(two, 'a', 'k2');
      const both = Promise.all([first, second]);
      await stage.backend.nextArrival();
      one.signal('SIGCONT');
      await one.logLine(({ msg }) => String(msg).startsWith('lock lost'));
      held.release();

      // The backend has both at once; that the second token is greater is what it can tell them apart by.
      expect((await both).map(({ status }) => status)).toEqual([201, 201]);
      expectGrowing(stage.tokens().get('a'));
    });
  });
}
