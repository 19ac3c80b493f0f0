import type { TestProxy } from '../support/proxy.ts';
import { seededRandom } from '../support/seeded.ts';
import { head } from './classes.ts';
import { type Mutate, OF_LINES, pick, type Random, SMUGGLED } from './mutate.ts';
import { type Attack, attack, disagreements, fromBackend } from './oracle.ts';
import type { RecordingUpstream } from './recording-upstream.ts';

/** Requests that were valid and are changed where parsers differ; every choice follows from the seed. */

function seedOf(random: Random, id: number): string {
  const key = random() < 0.5 ? [`Idempotency-Key: k-${id}`] : [];
  switch (Math.floor(random() * 5)) {
    case 0:
      return head(key, pick(random, ['GET', 'HEAD', 'OPTIONS', 'DELETE']), `/f/${id}`);
    case 1:
      return `${head([...key, 'Content-Length: 5'], 'POST', `/f/${id}`)}hello`;
    case 2:
      return `${head([...key, 'Transfer-Encoding: chunked'], 'POST', `/f/${id}`)}5\r\nhello\r\n0\r\n\r\n`;
    case 3:
      return `${head([...key, 'Transfer-Encoding: chunked'], 'PUT', `/f/${id}`)}2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nX-T: y\r\n\r\n`;
    default:
      return `${head([...key, `Content-Length: ${SMUGGLED.length}`], 'POST', `/f/${id}`)}${SMUGGLED}`;
  }
}

const MUTATIONS: readonly Mutate[] = [
  ...OF_LINES,
  (text, random) =>
    text.replace(/HTTP\/1\.1/, () =>
      pick(random, ['HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'http/1.1', 'HTTP/1.1 ', 'HTTP/11', '']),
    ),
  (text, random) =>
    text.replace(/ \/f\/(\d+) /, (_all, id) =>
      pick(random, [
        ` http://a/f/${id} `,
        ` http://b/f/${id} `,
        ` //f/${id} `,
        ` /f/./${id} `,
        ` /f/%${id}41 `,
        ` /f/${id}?a#b `,
        ` * `,
        ` /f/${id};x=y `,
        ` /%66/${id} `,
      ]),
    ),
  (text) => text + SMUGGLED,
];

function mutated(random: Random, id: number): Attack {
  let text = seedOf(random, id);
  const changes = 1 + Math.floor(random() * 3);
  for (let change = 0; change < changes; change++) text = pick(random, MUTATIONS)(text, random);
  if (random() < 0.3) text += SMUGGLED.replace('smuggled', `f/${id}-next`);
  const bytes = Buffer.from(text, 'latin1');
  const cut = Math.floor(random() * bytes.length);
  const parts = random() < 0.3 ? [bytes.subarray(0, cut), bytes.subarray(cut)] : [bytes];
  return { parts, methods: text.startsWith('HEAD') ? ['HEAD'] : [] };
}

export type FuzzResult = {
  readonly requests: number;
  /** That reached the backend. */
  readonly forwarded: number;
  readonly refused: number;
  /** One line for each disagreement. */
  readonly wrong: readonly string[];
};

const AT_ONCE = 128;

/** So many mutated requests; after each batch the proxy's word is compared with the wire. */
export async function fuzzRequests(
  proxy: TestProxy,
  upstream: RecordingUpstream,
  { requests, seed }: { readonly requests: number; readonly seed: number },
): Promise<FuzzResult> {
  const random = seededRandom(seed);
  const wrong: string[] = [];
  let forwarded = 0;
  let refused = 0;
  for (let from = 0; from < requests; from += AT_ONCE) {
    const attacks = Array.from({ length: Math.min(AT_ONCE, requests - from) }, (_none, offset) =>
      mutated(random, from + offset),
    );
    const before = proxy.lines.length;
    const seen = await Promise.all(attacks.map((one) => attack(proxy.port, one)));
    const lines = proxy.lines.slice(before);
    forwarded += lines.filter(({ outcome }) => outcome === 'bypassed' || outcome === 'executed').length;
    for (const [index, { faults, answers }] of seen.entries()) {
      refused += answers.some(({ status }) => status >= 400) ? 1 : 0;
      for (const fault of faults) wrong.push(`${fault}: answers to ${textOf(attacks[index])}`);
    }
    // An answer that its client never gets belongs to a request that should not have been taken.
    const served = lines.filter(
      ({ outcome, status }) => status === 200 && (outcome === 'bypassed' || outcome === 'executed'),
    );
    const got = seen
      .flatMap(({ answers }) => answers)
      .filter((one) => fromBackend(one) && one.status === 200);
    if (served.length !== got.length)
      wrong.push(`${served.length} served, ${got.length} answers of the backend came`);
    const disagreeing = disagreements(lines, upstream);
    if (disagreeing.length > 0)
      wrong.push(...disagreeing, `… in the batch of request ${from} of seed ${seed}`);
  }
  return { requests, forwarded, refused, wrong };
}

function textOf(one: Attack | undefined): string {
  return JSON.stringify(Buffer.concat(one?.parts ?? []).toString('latin1'));
}
