// A producer over Onceward: what is sent is executed once and in order. It batches, retries, moves to another proxy when
// one is gone, and goes on after it was fenced where it is told to. No dependencies; Node 22 or a browser.
//
//   const producer = createProducer({ origins: ['http://127.0.0.1:8080'], path: '/v1/stock', route: 'stock' });
//   await producer.send({ item: 'bolt', by: 3 });

import { pathToFileURL } from 'node:url';

/** Whether it was executed is not known, and it is not sent again: somebody has to ask the backend. */
export class OutcomeUnknown extends Error {
  name = 'OutcomeUnknown';
}

/** Another holder of the producer has taken over, and this one was not told to take it back. */
export class Fenced extends Error {
  name = 'Fenced';
}

/**
 * options:
 *   origins      of the proxies, all before one store
 *   path         to which batches are sent
 *   route        the name of the route; keyspace of it, if it is not `default`
 *   headers      such as Authorization
 *   batchMax     items in one request (100)
 *   patienceMs   how long a batch is tried (60 000)
 *   whenFenced   'stop' (default), or 'take-over': get a newer epoch and go on
 *   producer     { producerId, epoch } of an earlier run, to be taken over with a newer epoch
 */
export function createProducer(options) {
  const { origins, path, route, headers = {}, batchMax = 100, patienceMs = 60_000 } = options;
  const prefix = options.prefix ?? '/.well-known/onceward';
  const held = {
    id: options.producer?.producerId ?? null,
    epoch: 0,
    sequence: 0,
    taken: options.producer === undefined,
  };
  const queue = [];
  let running = 'no';
  let at = 0;

  /** Resolves with the answer to the batch that had the item in it: { status, text }; text null: it is no longer kept. */
  function send(item) {
    return new Promise((resolve, reject) => {
      queue.push({ item, resolve, reject });
      if (running === 'no') void run();
    });
  }

  async function run() {
    running = 'yes';
    // Items that come while a batch is under way make the next one.
    for (await null; queue.length > 0; ) {
      const batch = queue.splice(0, batchMax);
      try {
        const answer = await deliver(JSON.stringify({ items: batch.map(({ item }) => item) }));
        for (const { resolve } of batch) resolve(answer);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    running = 'no';
  }

  /** One batch under one number, until its outcome is known. */
  async function deliver(body) {
    const endMs = performance.now() + patienceMs;
    let answered = null;
    let sent = 'never';
    for (let tries = 0; ; tries++) {
      if (held.id === null || !held.taken) await hold(endMs);
      const answer = await ask('POST', path, body, {
        'Content-Type': 'application/json',
        'Producer-Id': held.id,
        'Producer-Epoch': String(held.epoch),
        'Producer-Sequence': String(held.sequence),
      });
      const step = nextStep(answer);
      // Stored: the number is used up, whatever the status says.
      if (step === 'settled') return settled(answer);
      if (step === 'settled-before') return settled(answered ?? { status: answer.status, text: null });
      if (step === 'refused') return { status: answer.status, text: answer.text };
      if (step === 'fenced' || step === 'unknown-producer') {
        const was = { ...held };
        if (step === 'fenced' && options.whenFenced !== 'take-over') throw new Fenced(answer.text);
        if (step === 'unknown-producer') held.id = null;
        held.taken = false;
        const found = await hold(endMs);
        if (sent === 'never') continue;
        const fate = fateOf(found, was);
        if (fate === 'executed') return { status: 200, text: null };
        if (fate !== 'not-executed')
          throw new OutcomeUnknown(`batch ${was.sequence} of epoch ${was.epoch}: ${fate}`);
        continue;
      }
      // An answer of the backend that was not kept: a repeat tells whether the number was.
      if (step === 'unstored') answered = { status: answer.status, text: answer.text };
      sent = 'maybe';
      if (performance.now() > endMs) throw new OutcomeUnknown(answer.text ?? 'no answer');
      await pause(Math.min(answer.retryAfterMs ?? 50 * 2 ** Math.min(tries, 6), 2_000));
    }
  }

  function settled({ status, text }) {
    held.sequence = held.sequence === 2_147_483_647 ? 0 : held.sequence + 1;
    return { status, text };
  }

  /** An id, or a newer epoch of it, which fences whoever has an older one; counted from 0 again. */
  async function hold(endMs) {
    const to = held.id === null ? 'producers' : `producers/${held.id}/epoch`;
    for (let tries = 0; ; tries++) {
      const answer = await ask('POST', `${prefix}/${to}?route=${encodeURIComponent(route)}`, '', {});
      if (answer.status === 200 || answer.status === 201) {
        const told = JSON.parse(answer.text);
        Object.assign(held, { id: told.producerId, epoch: told.epoch, sequence: 0, taken: true });
        return await quiet(told, endMs);
      }
      if (answer.code === 'producer-unknown') {
        held.id = null;
        return await hold(endMs);
      }
      if (performance.now() > endMs || (answer.code !== null && !answer.retryable))
        throw new Error(`no producer: ${answer.text ?? answer.cause}`);
      await pause(Math.min(answer.retryAfterMs ?? 50 * 2 ** Math.min(tries, 6), 2_000));
    }
  }

  /** What the older holder had in flight is waited for: only then is it known what became of it. */
  async function quiet(told, endMs) {
    let state = told;
    while (state.sequences.some((one) => one.keyspace === state.keyspace && one.outcome === 'in-flight')) {
      if (performance.now() > endMs) break;
      await pause(100);
      const answer = await ask(
        'GET',
        `${prefix}/producers/${held.id}?route=${encodeURIComponent(route)}`,
        null,
        {},
      );
      if (answer.status === 200) state = JSON.parse(answer.text);
    }
    return state;
  }

  async function ask(method, target, body, fields) {
    const origin = origins[at % origins.length];
    try {
      const response = await fetch(`${origin}${target}`, {
        method,
        body: method === 'GET' ? undefined : body,
        headers: { ...headers, ...fields },
        signal: AbortSignal.timeout(30_000),
      });
      const text = await response.text();
      const problem =
        response.headers.get('content-type') === 'application/problem+json' ? JSON.parse(text) : null;
      const own = problem?.type?.startsWith('urn:onceward:') ? problem : null;
      return {
        status: response.status,
        text,
        kept: response.headers.get('idempotency-status'),
        code: own?.code ?? null,
        retryable: own?.retryable ?? false,
        executed: own?.executed ?? null,
        retryAfterMs: own?.retryAfterMs ?? null,
      };
    } catch (cause) {
      // Another proxy may be there, and knows the same.
      at += 1;
      return {
        status: 0,
        text: null,
        kept: null,
        code: null,
        retryable: true,
        executed: null,
        retryAfterMs: null,
        cause,
      };
    }
  }

  return { send, state: () => ({ producerId: held.id, epoch: held.epoch, sequence: held.sequence }) };
}

function nextStep({ status, kept, code, retryable, executed }) {
  if (status === 0) return 'again';
  if (code === null) return ['executed', 'replayed', 'joined'].includes(kept) ? 'settled' : 'unstored';
  if (code === 'producer-fenced') return 'fenced';
  if (code === 'producer-unknown') return 'unknown-producer';
  if (executed === 'yes') return 'settled-before';
  // A late answer, a probe or an operator may end it while there is patience.
  if (retryable || code === 'outcome-unknown') return 'again';
  return 'refused';
}

/** What the state of the producer says of the batch that was sent under the older epoch. */
function fateOf(found, was) {
  if (found.producerId !== was.id) return 'unknown';
  const stream = found.sequences.find((one) => one.keyspace === found.keyspace);
  if (stream === undefined) return 'not-executed';
  if (stream.epoch < was.epoch) return 'not-executed';
  // Another holder has gone on since, and its own last request is all that is told.
  if (stream.epoch > was.epoch) return 'unknown';
  if (stream.sequence === was.sequence) return stream.outcome;
  return stream.sequence < was.sequence ? 'not-executed' : 'executed';
}

function pause(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

// node examples/sequence-client.mjs http://127.0.0.1:8080: ten batches to the recipe docs/recipes/sequences.yaml.
if (typeof process !== 'undefined' && import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const producer = createProducer({
    origins: [process.argv[2] ?? 'http://127.0.0.1:8080'],
    path: '/v1/stock',
    route: 'stock',
    headers: { Authorization: 'Bearer example' },
  });
  for (let by = 1; by <= 10; by++) console.log(by, await producer.send({ item: 'bolt', by }));
  console.log(producer.state());
}
