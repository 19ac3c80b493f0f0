import { afterEach, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { requestText } from './request-text.ts';
import { codeOf, createStage } from './stage.ts';

/** An upgrade that comes to nothing leaves no socket behind. */

const stage = createStage();
afterEach(() => stage.close());

const UPGRADE = [
  ['Connection', 'Upgrade'],
  ['Upgrade', 'websocket'],
] as const;

it('an upgrade that the backend declines ends on both sides, also for a client that stays', async () => {
  const upstreamClosed = Promise.withResolvers<void>();
  const port = await stage.sink((socket) => {
    socket.once('close', () => upstreamClosed.resolve());
    socket.on('data', () => socket.write('HTTP/1.1 426 No\r\nContent-Length: 2\r\n\r\nno'));
  });
  const proxy = await stage.proxyTo(port);
  const client = await stage.client(proxy);

  client.send(requestText('GET', '/ws', UPGRADE));
  const answer = await client.answer('GET');
  const end = await client.closed();
  // Only a socket that is gone answers bytes with a reset, which the next write finds.
  await until('a reset', async () => {
    client.send('still here');
    return client.socket.destroyed ? 'reset' : null;
  });
  await upstreamClosed.promise;

  expect([answer.status, answer.body.toString(), end]).toEqual([426, 'no', 'fin']);
});

it.for([
  ['a length', 'Content-Length: 5\r\n\r\nhello'],
  ['chunks', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
] as const)(
  'an upgrade with a body in %s is refused, and the backend sees nothing of it',
  async ([, rest]) => {
    let connections = 0;
    const port = await stage.sink(() => {
      connections += 1;
    });
    const proxy = await stage.proxyTo(port);
    const client = await stage.client(proxy);

    client.send(
      `GET /ws HTTP/1.1\r\nHost: proxy.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${rest}`,
    );
    const answer = await client.answer('GET');
    await client.closed();

    expect([answer.status, codeOf(answer.body), connections]).toEqual([400, 'bad-request', 0]);
  },
);
