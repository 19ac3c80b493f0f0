import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { TestProxy } from '../support/proxy.ts';
import { seededRandom } from '../support/seeded.ts';
import { type Mutate, OF_LINES, pick, type Random } from './mutate.ts';
import { attack } from './oracle.ts';
import { parseAnswer, type StrictAnswer, valuesOf } from './strict-http.ts';

/** Responses that were valid and are changed where parsers differ, from a backend that plays each for one path. */

const POISON = 'HTTP/1.1 200 OK\r\nX-Backend: yes\r\nContent-Length: 6\r\n\r\npoison';

function seedOf(random: Random, id: number): string {
  const own = `X-Backend: yes\r\nX-Id: ${id}\r\n`;
  const text = `for ${id}`;
  const size = text.length.toString(16);
  switch (Math.floor(random() * 8)) {
    case 0:
    case 1:
      return `HTTP/1.1 200 OK\r\n${own}Content-Length: ${text.length}\r\n\r\n${text}`;
    case 2:
      return `HTTP/1.1 201 Created\r\n${own}Transfer-Encoding: chunked\r\n\r\n${size}\r\n${text}\r\n0\r\n\r\n`;
    case 3:
      return `HTTP/1.1 200 OK\r\n${own}Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nfo\r\n${(text.length - 2).toString(16)}\r\n${text.slice(2)}\r\n0\r\nX-T: y\r\n\r\n`;
    case 4:
      return `HTTP/1.1 200 OK\r\n${own}Connection: close\r\n\r\n${text}`;
    case 5:
      return `HTTP/1.1 204 No Content\r\n${own}\r\n`;
    case 6:
      return `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n${own}Content-Length: ${text.length}\r\n\r\n${text}`;
    default:
      return `HTTP/1.1 422 Unprocessable\r\n${own}Content-Length: ${POISON.length}\r\n\r\n${POISON}`;
  }
}

const STATUSES = ['100', '101', '103', '099', '199', '204', '304', '600', '999', '20', '2000', '0', '-1', ''];
const VERSIONS = [
  'HTTP/1.0',
  'HTTP/0.9',
  'HTTP/2.0',
  'http/1.1',
  'RTSP/1.0',
  'HTTP/1.1 ',
  'HTTP/11',
  'ICY',
  '',
];

const MUTATIONS: readonly Mutate[] = [
  ...OF_LINES,
  (text, random) => text.replace(/ [0-9]{3} /, () => ` ${pick(random, STATUSES)} `),
  (text, random) => text.replace(/HTTP\/1\.1/, () => pick(random, VERSIONS)),
  (text, random) => text.replace(/Content-Length: \d+/, () => `Content-Length: ${Math.floor(random() * 20)}`),
  (text, random) => text.slice(0, Math.floor(random() * text.length)),
  (text) => text + POISON,
  (text) => POISON + text,
  (text) => `\r\n${text}`,
];

type Played = {
  readonly parts: readonly Buffer[];
  readonly end: 'close' | 'stay';
};

function mutated(random: Random, id: number): Played {
  let text = seedOf(random, id);
  const changes = 1 + Math.floor(random() * 3);
  for (let change = 0; change < changes; change++) text = pick(random, MUTATIONS)(text, random);
  const bytes = Buffer.from(text, 'latin1');
  const cut = Math.floor(random() * bytes.length);
  return {
    parts: random() < 0.3 ? [bytes.subarray(0, cut), bytes.subarray(cut)] : [bytes],
    end: random() < 0.7 ? 'close' : 'stay',
  };
}

export type PlayingBackend = {
  readonly port: number;
  /** For the path `/r/ID`, from now on. */
  play(id: number, played: Played): void;
  close(): Promise<void>;
};

/** `/c/NAME` is answered with its name, `/r/ID` with what was given for it. */
export async function startPlayingBackend(): Promise<PlayingBackend> {
  const played = new Map<number, Played>();
  const sockets = new Set<Socket>();
  const answer = async (socket: Socket, path: string): Promise<void> => {
    const [, kind = '', name = ''] = path.split('/');
    const play = kind === 'r' ? played.get(Number(name)) : undefined;
    if (play === undefined) {
      const text = `own ${name}`;
      socket.write(`HTTP/1.1 200 OK\r\nX-Backend: yes\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
      return;
    }
    for (const part of play.parts) {
      await new Promise<void>((resolve) => socket.write(part, () => resolve()));
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (play.end === 'close') socket.end();
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      // Ours have no body.
      for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
        const path = text.split(' ')[1] ?? '';
        text = text.slice(end + 4);
        void answer(socket, path);
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    play: (id, one) => void played.set(id, one),
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export type FuzzedResponses = {
  readonly responses: number;
  /** That a repeat got again. */
  readonly kept: number;
  /** One line for each disagreement. */
  readonly wrong: readonly string[];
};

const AT_ONCE = 64;

/**
 * Each is the answer to a keyed request that is sent twice, and to one without a key. What is kept is what a strict parser
 * takes for one whole answer; each client reads a whole answer or a broken connection; and the keyed request behind each
 * gets its own answer.
 */
export async function fuzzResponses(
  proxy: TestProxy,
  backend: PlayingBackend,
  { responses, seed }: { readonly responses: number; readonly seed: number },
): Promise<FuzzedResponses> {
  const random = seededRandom(seed);
  const wrong: string[] = [];
  let kept = 0;
  const tryOne = async (id: number, played: Played): Promise<void> => {
    backend.play(id, played);
    const told = (what: string): void => {
      const bytes = Buffer.concat(played.parts).toString('latin1');
      wrong.push(`${what}: response ${id}, ${played.end}: ${JSON.stringify(bytes)}`);
    };
    const first = await attack(proxy.port, keyedPost(`/r/${id}`, `r-${id}`));
    const unkeyed = await attack(proxy.port, {
      parts: [Buffer.from(`GET /r/${id} HTTP/1.1\r\nHost: a\r\n\r\n`)],
    });
    const again = await attack(proxy.port, keyedPost(`/r/${id}`, `r-${id}`));
    const own = await attack(proxy.port, keyedPost(`/c/${id}`, `c-${id}`));
    for (const seen of [first, unkeyed, again, own]) {
      for (const fault of seen.faults) told(`a client cannot read ${fault}`);
      if (seen.answers.length > 1) told('two answers to one request');
    }
    const [ownAnswer] = own.answers;
    if (ownAnswer?.status !== 200 || ownAnswer.body.toString() !== `own ${id}`)
      told(`the request behind it got ${ownAnswer?.status} ${ownAnswer?.body.toString()}`);
    const [repeat] = again.answers;
    if (repeat === undefined || !isReplay(repeat)) return;
    kept += 1;
    const why = whyNotKept(Buffer.concat(played.parts), repeat);
    if (why !== null) told(`kept although ${why}`);
  };
  for (let from = 0; from < responses; from += AT_ONCE) {
    const batch = Array.from({ length: Math.min(AT_ONCE, responses - from) }, (_none, offset) => ({
      id: from + offset,
      played: mutated(random, from + offset),
    }));
    const before = proxy.lines.length;
    await Promise.all(batch.map(({ id, played }) => tryOne(id, played)));
    for (const line of proxy.lines.slice(before))
      if (line.level === 'error') wrong.push(`a defect: ${JSON.stringify(line)}`);
  }
  return { responses, kept, wrong };
}

function keyedPost(path: string, key: string): { readonly parts: readonly Buffer[] } {
  const fields = `Host: a\r\nIdempotency-Key: ${key}\r\nContent-Length: 0`;
  return { parts: [Buffer.from(`POST ${path} HTTP/1.1\r\n${fields}\r\n\r\n`)] };
}

function isReplay({ fields }: StrictAnswer): boolean {
  return valuesOf(fields, 'idempotency-status').includes('replayed');
}

/** Null: a strict parser reads the same in it. */
function whyNotKept(bytes: Buffer, repeat: StrictAnswer): string | null {
  const strict = parseAnswer(bytes, 'POST', 'closed', 'allowed');
  if (strict.kind !== 'message')
    return `it is ${strict.kind}${strict.kind === 'malformed' ? `: ${strict.why}` : ''}`;
  const { message } = strict;
  if (message.end !== 'proven') return 'its end proves nothing';
  if (message.status !== repeat.status) return `it has status ${message.status}, kept is ${repeat.status}`;
  return message.body.equals(repeat.body) ? null : 'what is kept has another body';
}
