import { parseArgs } from 'node:util';
import type { Io } from './io.ts';
import { type AdminAnswer, askAdmin } from './keys/admin-client.ts';
import { keyTable, recordText } from './keys/keys-text.ts';
import { type ResolveFlags, resolveBody } from './keys/resolve-body.ts';

export const KEYS_USAGE = `onceward keys ls [--state STATE] [--limit N] [--cursor CURSOR]
onceward keys show RECORDKEY
onceward keys find --route NAME --key KEY [-H 'Name: value']...
onceward keys resolve RECORDKEY --released | --completed --status N [-H 'Name: value']... [-d BODY | -d @FILE]
onceward keys forget RECORDKEY [--force]

Looks at keys, and settles by hand what nobody else can tell, on the admin port of a running Onceward. Keys and bodies
are never shown: a record is found by its record key, and that by the client's own key with "find".

  ls        a page of records; --state claimed, dispatched, completed, unknown or released
  show      one record, with a digest of its response
  find      the record key of a client's key: with its route, and the header fields that the scope is made of
  resolve   ends an unknown outcome. --released: it did not happen, and a repeat executes. --completed: it did, and
            repeats get this answer. The record must still be the one that is shown: --fencing-token N, else it is
            read first
  forget    removes a settled record, so that a repeat executes; --force also one that is in flight or unknown

  --admin URL     default http://127.0.0.1:9465, or ONCEWARD_ADMIN
  --token TOKEN   one of admin.tokens, for resolve and forget; better in ONCEWARD_ADMIN_TOKEN
  --json          the answer as it came

Exit codes: 0 done, 1 failed or refused, 2 wrong command line.

  onceward keys ls --state unknown
  onceward keys resolve Jx3…Q --completed --status 201 -H 'Content-Type: application/json' -d '{"id":1}'`;

const OPTIONS = {
  admin: { type: 'string' },
  token: { type: 'string' },
  json: { type: 'boolean' },
  state: { type: 'string' },
  limit: { type: 'string' },
  cursor: { type: 'string' },
  route: { type: 'string' },
  key: { type: 'string' },
  header: { type: 'string', short: 'H', multiple: true },
  released: { type: 'boolean' },
  completed: { type: 'boolean' },
  status: { type: 'string' },
  data: { type: 'string', short: 'd' },
  'fencing-token': { type: 'string' },
  force: { type: 'boolean' },
} as const;

type Flags = ReturnType<typeof parse>['values'];

function parse(args: readonly string[]) {
  return parseArgs({ args: hyphensApart(args), options: OPTIONS, allowPositionals: true, strict: true });
}

/** An HMAC-SHA-256 in base64url: one of 64 begins with a hyphen, which parseArgs takes for an option. */
const HYPHENED = /^-[\w-]{42}$/;

function hyphensApart(args: readonly string[]): string[] {
  const end = args.includes('--') ? args.indexOf('--') : args.length;
  const plain: string[] = [];
  const positionals: string[] = [];
  for (const arg of args.slice(0, end)) {
    const before = plain.at(-1)?.replace(/^--/, '');
    if (!HYPHENED.test(arg)) plain.push(arg);
    else if (STRINGS.has(before)) plain.push(`${plain.pop()}=${arg}`);
    else positionals.push(arg);
  }
  return [...plain, '--', ...positionals, ...args.slice(end + 1)];
}

const STRINGS: ReadonlySet<unknown> = new Set(
  Object.entries(OPTIONS).flatMap(([name, { type }]) => (type === 'string' ? [name] : [])),
);

export async function runKeys(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args);
  const [action = '', recordKey = '', ...more] = positionals;
  const takesRecord = action === 'show' || action === 'resolve' || action === 'forget';
  const known = takesRecord || action === 'ls' || action === 'find';
  if (!known || more.length > 0 || takesRecord !== (recordKey !== '')) {
    const what = known
      ? takesRecord
        ? 'give one record key'
        : 'too many arguments'
      : 'ls, show, find, resolve or forget';
    io.err(`onceward keys: ${what}. See onceward keys --help.\n`);
    return 2;
  }
  const fields = fieldsOf(values.header ?? []);
  if (fields === null) {
    io.err("onceward keys: a header field is written 'Name: value'.\n");
    return 2;
  }
  const ask = (method: string, path: string, body?: object): Promise<AdminAnswer> =>
    askAdmin({
      base: values.admin ?? io.env.ONCEWARD_ADMIN ?? 'http://127.0.0.1:9465',
      token: values.token ?? io.env.ONCEWARD_ADMIN_TOKEN ?? null,
      ...{ method, path, body: body ?? null },
    });
  const path = `/keys/${encodeURIComponent(recordKey)}`;
  switch (action) {
    case 'ls':
      return tell(io, values, await list(values, ask), keyTable);
    case 'show':
      return tell(io, values, await ask('GET', path), recordText);
    case 'find': {
      if (values.route === undefined || values.key === undefined) {
        io.err('onceward keys: find needs --route and --key.\n');
        return 2;
      }
      const found = { route: values.route, key: values.key, headers: fields };
      return tell(io, values, await ask('POST', '/keys/lookup', found), keyTable);
    }
    case 'resolve':
      return await resolve(
        { io, values, fields, recordKey },
        (body) => ask('POST', `${path}/resolve`, body),
        () => ask('GET', path),
      );
    default:
      return tell(
        io,
        values,
        await ask('DELETE', `${path}${values.force === true ? '?force=true' : ''}`),
        () => 'forgotten\n',
      );
  }
}

type Resolving = {
  readonly io: Io;
  readonly values: Flags;
  readonly fields: Readonly<Record<string, string>>;
  readonly recordKey: string;
};

async function resolve(
  { io, values, fields }: Resolving,
  send: (body: object) => Promise<AdminAnswer>,
  read: () => Promise<AdminAnswer>,
): Promise<number> {
  const flags: ResolveFlags = {
    to: values.released === values.completed ? null : values.released === true ? 'released' : 'completed',
    status: values.status ?? null,
    data: values.data ?? null,
    fields,
  };
  const body = await resolveBody(flags);
  if (typeof body === 'string') {
    io.err(`onceward keys: ${body}\n`);
    return 2;
  }
  let token: unknown = Number(values['fencing-token']);
  if (values['fencing-token'] === undefined) {
    const shown = await read();
    if (shown.status !== 200) return tell(io, values, shown, recordText);
    token = shown.body.token;
  }
  return tell(io, values, await send({ ...body, token }), ({ state }) => `resolved: ${String(state)}\n`);
}

/** A page of a large store may be empty and yet not the last: it goes on until there is something to show. */
async function list(
  flags: Flags,
  ask: (method: string, path: string) => Promise<AdminAnswer>,
): Promise<AdminAnswer> {
  for (let { cursor } = flags; ; ) {
    const answer = await ask(
      'GET',
      `/keys?${listQuery(cursor === undefined ? flags : { ...flags, cursor })}`,
    );
    const { records, cursor: next } = answer.body;
    const isEmpty = Array.isArray(records) && records.length === 0;
    if (!isEmpty || typeof next !== 'string' || next === cursor) return answer;
    cursor = next;
  }
}

function listQuery({ state, limit, cursor }: Flags): string {
  const given = Object.entries({ state, limit, cursor }).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as [string, string]],
  );
  return new URLSearchParams(given).toString();
}

function fieldsOf(lines: readonly string[]): Readonly<Record<string, string>> | null {
  const fields: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon < 1) return null;
    fields[line.slice(0, colon)] = line.slice(colon + 1).trim();
  }
  return fields;
}

function tell(
  io: Io,
  { json }: Flags,
  answer: AdminAnswer,
  text: (body: AdminAnswer['body']) => string,
): number {
  const done = answer.status < 300;
  if (json === true) io.out(answer.text === '' ? '{}\n' : answer.text);
  else if (done) io.out(text(answer.body));
  else io.err(`onceward keys: ${answer.status}: ${String(answer.body.detail ?? 'refused')}\n`);
  return done ? 0 : 1;
}
