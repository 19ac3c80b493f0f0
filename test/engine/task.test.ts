import { describe, expect, it } from 'vitest';
import { STRANGER } from '../../src/core/caller.ts';
import type { RoutePolicy } from '../../src/core/policy.ts';
import { recordKey } from '../../src/core/record-key.ts';
import type { TaskPolicy } from '../../src/core/task.ts';
import { belongsTo, parseTaskId, type TaskName, taskId } from '../../src/core/task-id.ts';
import { startTask } from '../../src/engine/task.ts';
import { findTask } from '../../src/engine/task-owner.ts';
import { taskStatus } from '../../src/engine/task-status.ts';
import type { RequestContext, Snapshot } from '../../src/engine/types.ts';
import { createWaiters } from '../../src/engine/waiters.ts';
import { StoreUnavailable } from '../../src/store/contract.ts';
import { contextWith, defaultPolicy, type EngineParts } from './context.ts';

/** What a task is called, whose it is, and what is said of it while the store is away. */

const [OLD, NEW] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const SCOPE = Buffer.alloc(32, 3);

const TASK: TaskPolicy = {
  respond: 'always',
  onRepeat: 'state',
  afterCompletion: 'replay',
  waitMs: 10_000,
  waitersMax: 100,
  timeoutMs: 60_000,
  retryAfterMs: 2_000,
};

function policyOf(name: string, changes: Partial<RoutePolicy> = {}): RoutePolicy {
  return { ...defaultPolicy(), name, task: TASK, ...changes };
}

const DOWN: EngineParts = {
  store: {
    inspect: () => Promise.reject(new StoreUnavailable('connection', 'down')),
    settled: () => new Promise(() => undefined),
  },
  waiters: createWaiters(10, () => 'none'),
  monotonicMs: () => performance.now(),
  wallMs: () => 0,
  draining: () => 'serving',
  newUuid: () => 'uuid',
  metrics: { problem: () => undefined },
  log: { storeUnavailable: () => undefined },
};

type Sent = { readonly status: number; readonly body: Record<string, unknown> };

type Staged = {
  readonly context: RequestContext;
  readonly snapshot: Snapshot;
  readonly sent: readonly Sent[];
};

function stage(secrets: readonly Uint8Array[], policies: readonly RoutePolicy[], prefer = ''): Staged {
  const sent: Sent[] = [];
  const bare = contextWith(DOWN, (status, body) => sent.push({ status, body: JSON.parse(body) }));
  const config = {
    docsUrl: null,
    reserved: { prefix: '/p' },
    routes: policies,
    fallback: { kind: 'not-found' },
  };
  // Only what a task reads of a configuration is there.
  const snapshot = { config, secrets, sealing: null } as unknown as Snapshot;
  const head = { ...bare.head, rawHeaders: prefer === '' ? [] : ['Prefer', prefer] };
  const policy = policies[0] ?? policyOf('none');
  return { context: { ...bare, snapshot, head, policy, scope: SCOPE }, snapshot, sent };
}

function nameOf(scope: Uint8Array, route: string): TaskName {
  return { recordKey: recordKey(OLD, 'default', scope, 'k1'), route, fingerprint: 'f' };
}

/** A start that meets an execution in flight under the record key of a secret. */
async function meet({ context, sent }: Staged, secret: Uint8Array): Promise<Sent | undefined> {
  const key = recordKey(secret, context.policy.keyspace, SCOPE, 'k1');
  const result = {
    kind: 'inFlight',
    fingerprint: 'f',
    policyId: 'p',
    token: 7,
    leaseLeftMs: 1,
  } as const;
  const claimed = { kind: 'answered', result, recordKey: key, owner: 'owner', sentMs: 0 } as const;
  const body = { bytes: () => Buffer.alloc(0), drop: () => undefined, handOver: () => body };
  await startTask(context, claimed, 'f', { kind: 'in-flight' }, body);
  return sent[0];
}

describe('the name of a task', () => {
  it('is that of the secret its record was made with, whichever is the current one', async () => {
    const names = [];
    for (const secrets of [[OLD], [OLD, NEW], [NEW, OLD]])
      names.push((await meet(stage(secrets, [policyOf('charges')]), OLD))?.body.task);

    const id = parseTaskId(String(names[0]));
    expect(new Set(names).size).toBe(1);
    expect(id === null ? null : belongsTo(id, OLD, SCOPE)).toBe('yes');
  });
});

describe('whose a task is', () => {
  const anonymous = { scope: { headers: [], anonymous: 'allow' } } as const;
  const ANONYMOUS = Uint8Array.of(0x61);
  const idOf = (route: string) => {
    const id = parseTaskId(taskId(OLD, nameOf(ANONYMOUS, route), ANONYMOUS));
    if (id === null) throw new Error('no id');
    return id;
  };
  const head = { method: 'GET', target: '/', rawHeaders: [], httpVersion: '1.1' };

  it('is told by the route that it names, among several with one scope', () => {
    const routes = ['first', 'second', 'third'].map((name) => policyOf(name, anonymous));
    const { snapshot } = stage([OLD], routes);

    const found = routes.map(({ name }) => findTask(snapshot, head, STRANGER, idOf(name))?.policy.name);

    expect(found).toEqual(['first', 'second', 'third']);
  });

  it('is still told after its route is renamed, and not where no route has tasks', () => {
    const renamed = stage([OLD], [policyOf('renamed', anonymous)]).snapshot;
    const without = stage([OLD], [policyOf('charges', { ...anonymous, task: null })]).snapshot;

    expect(findTask(renamed, head, STRANGER, idOf('charges'))?.policy.name).toBe('renamed');
    expect(findTask(without, head, STRANGER, idOf('charges'))).toBeNull();
  });

  it('is told under any secret that is configured, and under no other', () => {
    const policies = [policyOf('charges', anonymous)];

    expect(findTask(stage([NEW, OLD], policies).snapshot, head, STRANGER, idOf('charges'))).not.toBeNull();
    expect(findTask(stage([NEW], policies).snapshot, head, STRANGER, idOf('charges'))).toBeNull();
  });

  it('is nobody’s where who asks is not known', () => {
    const named = policyOf('charges', { scope: { headers: ['authorization'], anonymous: 'refuse' } });

    expect(findTask(stage([OLD], [named]).snapshot, head, STRANGER, idOf('charges'))).toBeNull();
  });
});

describe('while the store is away', () => {
  it('a start that waits for a task that is running gets 202: that it is there is known', async () => {
    const answer = await meet(stage([OLD], [policyOf('charges')], 'wait=5'), OLD);

    expect(answer).toMatchObject({ status: 202, body: { state: 'pending' } });
  });

  it('the status resource is 503, whether it was asked to wait or not', async () => {
    for (const prefer of ['', 'wait=5']) {
      const policy = policyOf('charges', { scope: { headers: [], anonymous: 'allow' } });
      const { context, snapshot, sent } = stage([OLD], [policy], prefer);
      const scope = Uint8Array.of(0x61);
      const tail = taskId(OLD, nameOf(scope, 'charges'), scope);
      const { engine, incoming, head } = context;

      const ending = await taskStatus({
        engine,
        snapshot,
        incoming,
        head,
        caller: STRANGER,
        host: 'h',
        tail,
      });

      expect(ending.outcome).toBe('store_unavailable');
      expect(sent[0]).toMatchObject({ status: 503, body: { code: 'store-unavailable' } });
    }
  });
});
