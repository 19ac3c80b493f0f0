import { afterEach, describe, expect, it } from 'vitest';
import { type Answer, sendRequest } from '../support/send-request.ts';
import { bump, closeAll, execute, issue, jsonOf, PREFIX, send, stand, stateOf } from './sequence-stage.ts';

/** Requests of one producer over real sockets: the rules of core/producer.ts as answers. */

afterEach(closeAll);

describe('a producer', () => {
  it('has its requests executed in turn, and the last five replayed', async () => {
    const at = await stand();
    const producer = await issue(at);

    const first: Answer[] = [];
    for (let n = 0; n < 7; n++) first.push(await send(at, producer, n));
    const again: Answer[] = [];
    for (let n = 0; n < 7; n++) again.push(await send(at, producer, n));

    expect(first.map(stateOf)).toEqual(Array(7).fill('executed'));
    expect(again.map(stateOf)).toEqual([
      'sequence-too-old',
      'sequence-too-old',
      ...Array(5).fill('replayed'),
    ]);
    expect(again[6]?.body).toEqual(first[6]?.body);
    expect(jsonOf(again[1] as Answer)).toMatchObject({ executed: 'yes', retryable: false });
    expect(at.order).toEqual(['0', '1', '2', '3', '4', '5', '6']);
  });

  it('that leaves a gap is told what is expected, and nothing is executed', async () => {
    const at = await stand();
    const producer = await issue(at);
    await send(at, producer, 0);

    const [soon, far] = [await send(at, producer, 2), await send(at, producer, 99)];

    expect([soon, far].map(stateOf)).toEqual(['sequence-gap', 'sequence-gap']);
    expect(jsonOf(far)).toMatchObject({ expectedSequence: 1, executed: 'no', retryable: false });
    expect(at.order).toEqual(['0']);
  });

  it('counts from 0 in every keyspace, and under every epoch', async () => {
    const at = await stand();
    const producer = await issue(at);
    await send(at, producer, 0);

    const other = await send(at, producer, 0, { path: '/others' });
    const { epoch } = jsonOf(await bump(at, producer));
    const newer = { ...producer, epoch: Number(epoch) };

    expect(stateOf(other)).toBe('executed');
    expect(stateOf(await send(at, newer, 1))).toBe('sequence-gap');
    expect(stateOf(await send(at, newer, 0))).toBe('executed');
    expect(stateOf(await send(at, newer, 0, { path: '/others' }))).toBe('executed');
  });

  it('of an older epoch is fenced at once, for repeats too', async () => {
    const at = await stand();
    const producer = await issue(at);
    await send(at, producer, 0);

    const bumped = await bump(at, producer);

    expect(jsonOf(bumped)).toMatchObject({
      producerId: producer.id,
      epoch: 1,
      keyspace: 'orders',
      sequences: [{ keyspace: 'orders', epoch: 0, sequence: 0, outcome: 'executed' }],
    });
    expect(stateOf(await send(at, producer, 0))).toBe('producer-fenced');
    expect(stateOf(await send(at, producer, 1))).toBe('producer-fenced');
    expect(at.order).toEqual(['0']);
  });

  it('is fenced only by who holds it, where the epoch is named', async () => {
    const at = await stand();
    const producer = await issue(at);

    const right = await bump(at, producer, '0');
    const late = await bump(at, producer, '0');
    const odd = await bump(at, producer, '01');

    expect([right.status, stateOf(late), stateOf(odd)]).toEqual([200, 'producer-fenced', 'sequence-invalid']);
  });

  it('is unknown to another caller, in every way', async () => {
    const at = await stand();
    const producer = await issue(at);
    await send(at, producer, 0);
    const asOther = (method: string, path: string): Promise<Answer> =>
      sendRequest(at.proxy.port, { method, path, headers: { Authorization: 'Bearer two' } });

    const foreign = await send(at, producer, 0, { caller: 'Bearer two' });
    const never = await send(at, { id: 'f'.repeat(32), epoch: 0 }, 0);
    const told = await asOther('GET', `${PREFIX}/producers/${producer.id}?route=orders`);
    const taken = await asOther('POST', `${PREFIX}/producers/${producer.id}/epoch?route=orders`);

    expect([foreign, never, told, taken].map(stateOf)).toEqual(Array(4).fill('producer-unknown'));
    expect(foreign.status).toBe(412);
    // Nothing but the occurrence and the key that was sent tells them apart.
    const { instance: _, idempotency_key: __, ...one } = jsonOf(foreign);
    const { instance: ___, idempotency_key: ____, ...other } = jsonOf(never);
    expect(one).toEqual(other);
    expect(at.order).toEqual(['0']);
  });

  it('of an epoch that was never issued is unknown', async () => {
    const at = await stand();
    const producer = await issue(at);

    expect(stateOf(await send(at, { ...producer, epoch: 1 }, 0))).toBe('producer-unknown');
  });

  it('that uses a number for other content gets 422, as with a key', async () => {
    const at = await stand();
    const producer = await issue(at);
    await send(at, producer, 0);
    await send(at, producer, 1);

    expect(stateOf(await send(at, producer, 1, { body: '{"other":1}' }))).toBe('key-reused');
    expect(stateOf(await send(at, producer, 0, { body: '{"other":1}' }))).toBe('key-reused');
  });

  it('tells how far it has come', async () => {
    const at = await stand();
    const producer = await issue(at);
    await send(at, producer, 0);
    await send(at, producer, 1);

    const told = await sendRequest(at.proxy.port, {
      method: 'GET',
      path: `${PREFIX}/producers/${producer.id}?route=orders`,
      headers: { Authorization: 'Bearer one' },
    });

    expect(jsonOf(told)).toMatchObject({
      epoch: 0,
      sequences: [{ keyspace: 'orders', epoch: 0, sequence: 1, outcome: 'executed' }],
    });
  });

  it('sequences PUT and DELETE too, and no GET', async () => {
    const at = await stand();
    const producer = await issue(at);

    expect(stateOf(await send(at, producer, 0, { method: 'PUT' }))).toBe('executed');
    expect(stateOf(await send(at, producer, 2, { method: 'DELETE' }))).toBe('sequence-gap');
    expect((await sendRequest(at.proxy.port, { method: 'GET', path: '/orders/1' })).status).toBe(201);
  });
});

describe('what the one before leads to', () => {
  it('not executed: it alone may go on, and is executed when it is sent again', async () => {
    const at = await stand();
    const producer = await issue(at);
    let refuse: 'yes' | 'no' = 'yes';
    at.backend.behave((arrival) =>
      refuse === 'yes' ? arrival.answer(503, '{}') : execute(at.order, arrival),
    );

    const refused = await send(at, producer, 0);
    const next = await send(at, producer, 1);
    refuse = 'no';
    const again = await send(at, producer, 0);

    expect(refused.status).toBe(503);
    expect(jsonOf(next)).toMatchObject({ code: 'sequence-gap', expectedSequence: 0 });
    expect(stateOf(again)).toBe('executed');
    expect(stateOf(await send(at, producer, 1))).toBe('executed');
    expect(at.order).toEqual(['0', '1']);
  });

  it('in flight: the next one is told to wait, or waits where the route lets it', async () => {
    const at = await stand();
    const producer = await issue(at);
    const arrived = at.backend.nextArrival();
    at.backend.behave(() => undefined);
    const first = send(at, producer, 0);
    const arrival = await arrived;

    const next = await send(at, producer, 1);
    execute(at.order, arrival);

    expect(jsonOf(next)).toMatchObject({ code: 'sequence-waiting', expectedSequence: 0, retryable: true });
    expect(stateOf(await first)).toBe('executed');
  });

  it('missing: five that come in the wrong order are executed in the right one', async () => {
    const at = await stand('inFlight: { wait: 10s, waiters: 10 }');
    const producer = await issue(at);

    const answers = await Promise.all([4, 2, 3, 1, 0].map((n) => send(at, producer, n)));

    expect(answers.map(stateOf)).toEqual(Array(5).fill('executed'));
    expect(at.order).toEqual(['0', '1', '2', '3', '4']);
  });

  it('unknown: the next one is blocked until a newer epoch passes it', async () => {
    const at = await stand('quiet: 1ms');
    const producer = await issue(at);
    at.backend.behave((arrival) => arrival.reset());

    const lost = await send(at, producer, 0);
    at.backend.behave((arrival) => execute(at.order, arrival));
    const next = await send(at, producer, 1);
    const again = await send(at, producer, 0);
    const bumped = jsonOf(await bump(at, producer));
    const newer = { ...producer, epoch: 1 };

    expect([lost, next, again].map(stateOf)).toEqual([
      'upstream-failed',
      'sequence-blocked',
      'outcome-unknown',
    ]);
    expect(jsonOf(next)).toMatchObject({ executed: 'no', expectedSequence: 0 });
    expect(bumped.sequences).toEqual([{ keyspace: 'orders', epoch: 0, sequence: 0, outcome: 'unknown' }]);
    expect(stateOf(await send(at, newer, 0))).toBe('executed');
  });

  it('unknown and not quiet yet: a newer epoch is blocked too', async () => {
    const at = await stand('quiet: 1h');
    const producer = await issue(at);
    at.backend.behave((arrival) => arrival.reset());
    await send(at, producer, 0);
    await bump(at, producer);

    expect(stateOf(await send(at, { ...producer, epoch: 1 }, 0))).toBe('sequence-blocked');
  });
});
