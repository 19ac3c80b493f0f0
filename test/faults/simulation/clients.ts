import { problemOf, taskOf, toldOf } from './answers.ts';
import { type Answer, Connection, type Upload } from './connection.ts';
import { recordKeyOf, type World } from './world.ts';

/** Clients that retry: with the same key until an answer is final, at any proxy, and once more to see it again. */

/** An operation that a client wants done once. */
type Operation = {
  readonly client: string;
  readonly principal: string;
  readonly key: string;
  readonly payload: string;
  attemptsLeft: number;
  /** After a final answer: repeats that must be replays. */
  repeatsLeft: number;
};

const PRINCIPALS = ['Bearer anna', 'Bearer ben'] as const;
const KEYS = ['k-one', 'k-two', 'k-three'] as const;
const PREFERENCES = [null, 'respond-async', 'respond-async', 'respond-async, wait=1', 'wait=1'] as const;
const OVERSIZED = 'x'.repeat(300);

export function startClients(world: World): void {
  const { draw, timeline } = world;
  const keys = KEYS.slice(0, draw.int(1, 3));
  const count = draw.int(2, 7);
  for (let n = 0; n < count; n += 1) {
    const operation: Operation = {
      client: `client-${n}`,
      principal: draw.chance(0.85) ? PRINCIPALS[0] : PRINCIPALS[1],
      key: keys[draw.int(0, keys.length - 1)] ?? KEYS[0],
      payload: draw.chance(0.85) ? 'payload-a' : draw.chance(0.8) ? 'payload-b' : OVERSIZED,
      attemptsLeft: draw.int(1, 5),
      repeatsLeft: draw.int(0, 1),
    };
    const startMs = draw.chance(0.5) ? draw.int(0, 50) : draw.int(0, 5_000);
    timeline.after(timeline.world, startMs, () => attempt(world, operation));
  }
  const passing = draw.int(0, 2);
  for (let n = 0; n < passing; n += 1)
    timeline.after(timeline.world, draw.int(0, 3_000), () => pass(world, `bypass-${n}`));
}

/** One request for every key and payload there was, when all is well again. */
export function audit(world: World): void {
  const { timeline } = world;
  const seen = new Set<string>();
  for (const asked of [...world.oracle.asked.values()]) {
    const what = `${asked.principal} ${asked.key} ${asked.payload}`;
    if (asked.keyed === 'unkeyed' || seen.has(what)) continue;
    seen.add(what);
    const { principal, key, payload } = asked;
    const operation = { client: 'audit', principal, key, payload, attemptsLeft: 2, repeatsLeft: 1 };
    timeline.after(timeline.world, seen.size, () => attempt(world, operation));
  }
}

function attempt(world: World, operation: Operation): void {
  const { draw, timeline } = world;
  operation.attemptsLeft -= 1;
  const troubled = world.health === 'faulty';
  const upload: Upload =
    !troubled || draw.chance(0.95) ? 'whole' : draw.chance(0.5) ? 'broken-off' : 'stalled';
  const sent = send(world, {
    ...operation,
    keyed: 'keyed',
    method: 'POST',
    target: '/charges',
    prefer: world.policy.task === null ? null : draw.pick(PREFERENCES),
    upload,
    onAnswer: (answer) => decide(world, operation, answer),
  });
  if (sent !== null && troubled && draw.chance(0.12))
    timeline.after(timeline.world, draw.int(1, 3_000), () => sent.leave());
}

function decide(world: World, operation: Operation, answer: Answer | null): void {
  const { draw, timeline } = world;
  const task = answer === null ? null : taskOf(answer);
  if (task !== null) {
    timeline.after(timeline.world, draw.int(1, 1_500), () => ask(world, operation, task));
    return;
  }
  const problem = answer === null ? null : problemOf(answer);
  const again = answer === null || problem?.retryable === true || retriedByItself(answer.status);
  if (again) {
    if (operation.attemptsLeft > 0)
      timeline.after(timeline.world, draw.int(1, 1_500), () => attempt(world, operation));
    return;
  }
  if (operation.repeatsLeft <= 0) return;
  operation.repeatsLeft -= 1;
  timeline.after(timeline.world, draw.int(1, 4_000), () => attempt(world, operation));
}

/** Asks how a task stands until it has ended, at any proxy; then starts it once more, which must be a replay. */
function ask(world: World, operation: Operation, task: string): void {
  const { draw, timeline } = world;
  operation.attemptsLeft -= 1;
  send(world, {
    ...operation,
    keyed: 'keyed',
    method: 'GET',
    target: draw.chance(0.5) ? task : `${task}/response`,
    prefer: draw.pick([null, 'wait=1']),
    upload: 'whole',
    onAnswer: (answer) => {
      const problem = answer === null ? null : problemOf(answer);
      const pending = answer !== null && problem === null && toldOf(answer)?.state === 'pending';
      if ((answer === null || problem?.retryable === true || pending) && operation.attemptsLeft > 0)
        timeline.after(timeline.world, draw.int(1, 1_500), () => ask(world, operation, task));
      else if (operation.repeatsLeft > 0) {
        operation.repeatsLeft -= 1;
        timeline.after(timeline.world, draw.int(1, 4_000), () => attempt(world, operation));
      }
    },
  });
}

/** What client libraries repeat whoever said it. */
function retriedByItself(status: number): boolean {
  return status === 429 || status === 503;
}

function pass(world: World, client: string): void {
  const { draw } = world;
  send(world, {
    client,
    principal: PRINCIPALS[0],
    key: '',
    payload: 'unkeyed',
    keyed: 'unkeyed',
    method: draw.pick(['GET', 'PUT', 'POST']),
    target: '/charges',
    prefer: null,
    upload: draw.chance(0.9) ? 'whole' : 'broken-off',
    onAnswer: () => undefined,
  });
}

type Sending = {
  readonly client: string;
  readonly principal: string;
  readonly key: string;
  readonly payload: string;
  readonly keyed: 'keyed' | 'unkeyed';
  readonly method: string;
  readonly target: string;
  readonly prefer: string | null;
  readonly upload: Upload;
  readonly onAnswer: (answer: Answer | null) => void;
};

/** Null: nobody listens there. */
function send(world: World, sending: Sending): Connection | null {
  const { draw, timeline, oracle, policy, proxies } = world;
  const { principal, key, payload, keyed, method, target, prefer, client } = sending;
  const proxy = proxies[draw.int(0, proxies.length - 1)];
  if (proxy === null || proxy === undefined) {
    timeline.after(timeline.world, draw.delayMs(), () => sending.onAnswer(null));
    return null;
  }
  const id = `r${oracle.asked.size + 1}`;
  oracle.asked.set(id, {
    id,
    keyed,
    principal,
    key,
    recordKey: keyed === 'keyed' ? recordKeyOf(policy, principal, key) : '',
    payload,
    startedMs: timeline.nowMs,
    endedMs: null,
  });
  world.trace?.(`${client} sends ${id} to ${proxy.party.name}: ${principal} ${key} ${payload.slice(0, 12)}`);
  const body = Buffer.from(method === 'GET' ? '' : payload);
  const framing = method === 'GET' ? 'none' : draw.chance(0.7) ? 'length' : 'chunked';
  const rawHeaders = ['Host', 'proxy.test', 'Authorization', principal, 'X-Request', id];
  if (keyed === 'keyed') rawHeaders.push('Idempotency-Key', key);
  if (prefer !== null) rawHeaders.push('Prefer', prefer);
  if (framing === 'length') rawHeaders.push('Content-Length', String(body.byteLength));
  if (framing === 'chunked') rawHeaders.push('Transfer-Encoding', 'chunked');
  const connection = new Connection({
    timeline,
    draw,
    party: proxy.party,
    head: { method, target, rawHeaders, httpVersion: '1.1' },
    body,
    framing,
    upload: sending.upload,
    pace: draw.chance(0.15) ? 'slow' : 'quick',
    onEmitted: (answer) => oracle.emitted(id, answer),
    onAnswer: (answer) => {
      const asked = oracle.asked.get(id);
      if (asked !== undefined) asked.endedMs = timeline.nowMs;
      world.trace?.(`${client} sees ${answer === null ? 'a broken connection' : answer.status} for ${id}`);
      proxy.connections.delete(connection);
      sending.onAnswer(answer);
    },
  });
  proxy.connections.add(connection);
  timeline.after(proxy.party, draw.delayMs(), () => proxy.serving.handler.handle(connection.incoming()));
  return connection;
}
