import { readFile, stat } from 'node:fs/promises';
import { parsePointer } from '../../core/json-pointer.ts';
import type { Io } from '../io.ts';
import type { Ignore } from './difference.ts';
import { type AuditRequest, readRequests, targetOf } from './requests.ts';
import type { Target } from './try-requests.ts';
import { judgeTrial, type Verdict } from './verdict.ts';

/** The audit of a backend by captured requests: each is sent twice, and what it did is read back. */

export type AuditFlags = {
  readonly target?: string | undefined;
  readonly check?: string | undefined;
  readonly header?: readonly string[] | undefined;
  readonly ignore?: readonly string[] | undefined;
  readonly strict?: boolean | undefined;
  readonly json?: boolean | undefined;
  readonly 'yes-this-is-a-test-backend'?: boolean | undefined;
};

export const FILE_BYTES_MAX = 64 * 1024 * 1024;

const KINDS = ['idempotent', 'answer-differs', 'not-idempotent', 'unsure'] as const;
const KIND_WIDTH = Math.max(...KINDS.map((kind) => kind.length));

export async function auditRequests(file: string, flags: AuditFlags, io: Io): Promise<number> {
  const wrong = (message: string): number => {
    io.err(`onceward audit: ${message}\n`);
    return 2;
  };
  const origin = originOf(flags.target);
  if (origin === null)
    return wrong('--target is the origin of a test backend, such as http://127.0.0.1:3000.');
  if (flags['yes-this-is-a-test-backend'] !== true)
    return wrong(
      `this writes and deletes at ${origin}, each request twice. If that is a test backend, say --yes-this-is-a-test-backend.`,
    );
  const ignore = ignoreOf(flags.ignore ?? []);
  if (typeof ignore === 'string') return wrong(ignore);
  const fields = fieldsOf(flags.header ?? []);
  if (fields === null) return wrong("a header field is written 'Name: value'.");
  const check = checkOf(flags.check);
  if (check === null) return wrong('--check is a path, such as /v1/state, or none.');
  const { size } = await stat(file);
  if (size > FILE_BYTES_MAX) throw new Error(`${file} is larger than ${FILE_BYTES_MAX / 1024 / 1024} MiB`);
  const read = readRequests(await readFile(file, 'utf8'));
  if (read.kind === 'fault') throw new Error(`${file}: ${read.message}`);
  const results = await tryAll(read.requests, { origin, rawHeaders: fields, check }, ignore, (result) => {
    if (flags.json !== true) io.out(resultText(result));
  });
  const counts = Object.fromEntries(
    KINDS.map((kind) => [kind, results.filter(({ verdict }) => verdict.kind === kind).length]),
  );
  const leftOut = [...Map.groupBy(read.leftOut, ({ why }) => why)].map(([why, those]) => ({
    why,
    at: those.map(({ at }) => at),
  }));
  if (flags.json === true)
    io.out(`${JSON.stringify({ target: origin, counts, results, leftOut }, null, 2)}\n`);
  else io.out(summary(counts, leftOut));
  const unanswered = results.length > 0 && results.every(({ answered }) => answered === 'no');
  if (unanswered) io.err(`onceward audit: ${origin} answered nothing\n`);
  const failed = (counts['not-idempotent'] ?? 0) > 0 || (flags.strict === true && (counts.unsure ?? 0) > 0);
  return failed || unanswered || results.length === 0 ? 1 : 0;
}

type Result = {
  readonly at: string;
  readonly method: string;
  readonly target: string;
  readonly verdict: Verdict;
  readonly answered: 'no' | 'yes';
};

async function tryAll(
  requests: readonly AuditRequest[],
  target: Target,
  ignore: Ignore,
  tell: (result: Result) => void,
): Promise<readonly Result[]> {
  // Only now: the connection to a backend takes longer to load than all the rest, and --openapi needs none.
  const { createTryer } = await import('./try-requests.ts');
  const tryer = createTryer(target);
  const results: Result[] = [];
  try {
    for (const request of requests) {
      const trial = await tryer.try(request);
      const result: Result = {
        at: request.at,
        method: request.method,
        target: request.target,
        verdict: judgeTrial(trial, ignore),
        answered: trial.first.kind === 'answer' ? 'yes' : 'no',
      };
      results.push(result);
      tell(result);
    }
  } finally {
    await tryer.close();
  }
  return results;
}

function resultText({ at, method, target, verdict }: Result): string {
  const lines = verdict.why.map((why) => `${' '.repeat(KIND_WIDTH)}  ${why}\n`);
  return `${verdict.kind.padEnd(KIND_WIDTH)}  ${method} ${target} (${at})\n${lines.join('')}`;
}

const SHOWN_PLACES_MAX = 5;

function summary(
  counts: Readonly<Record<string, number>>,
  leftOut: readonly { readonly why: string; readonly at: readonly string[] }[],
): string {
  const lines = leftOut.map(({ why, at }) => {
    const shown = at.slice(0, SHOWN_PLACES_MAX).join(', ');
    return `left out: ${shown}${at.length > SHOWN_PLACES_MAX ? ` and ${at.length - SHOWN_PLACES_MAX} more` : ''}: ${why}\n`;
  });
  return `\n${KINDS.map((kind) => `${counts[kind]} ${kind}`).join(', ')}\n${lines.join('')}`;
}

function originOf(target: string | undefined): string | null {
  if (target === undefined || !URL.canParse(target)) return null;
  const { protocol, origin, pathname, search, hash, username, password } = new URL(target);
  const bare = pathname === '/' && search + hash + username + password === '';
  return bare && /^https?:$/.test(protocol) ? origin : null;
}

/** A string says what is wrong. */
function ignoreOf(names: readonly string[]): Ignore | string {
  const fields = new Set<string>();
  const pointers: (readonly string[])[] = [];
  for (const name of names) {
    if (!name.startsWith('/')) {
      fields.add(name.toLowerCase());
      continue;
    }
    const parsed = parsePointer(name);
    if (parsed.kind !== 'ok') return `--ignore ${name}: ${parsed.detail}.`;
    pointers.push(parsed.tokens);
  }
  return { fields, pointers };
}

function fieldsOf(lines: readonly string[]): readonly string[] | null {
  const rawHeaders: string[] = [];
  for (const line of lines) {
    const match = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}):[ \t]*([^\r\n\0]*?)[ \t]*$/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) return null;
    rawHeaders.push(match[1], Buffer.from(match[2], 'utf8').toString('latin1'));
  }
  return rawHeaders;
}

function checkOf(given: string | undefined): Target['check'] | null {
  if (given === undefined) return { kind: 'own' };
  if (given === 'none') return { kind: 'none' };
  const target = targetOf(given);
  return target === null ? null : { kind: 'path', target };
}
