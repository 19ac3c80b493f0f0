import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { ResolvedConfig } from '../config/resolved.ts';
import { type Caller, STRANGER } from '../core/caller.ts';
import { claimsAsked } from '../core/plan.ts';
import type { RequestHead } from '../core/wire.ts';
import { createKeySets } from '../tokens/key-sets.ts';
import { createTokenDesk } from '../tokens/token-desk.ts';
import { describeRequest } from './explain/described-request.ts';
import { explainRequest } from './explain/explanation.ts';
import { explanationJson, explanationText, sectionsOf } from './explain/explanation-text.ts';
import type { Io } from './io.ts';
import { flagConflict, loadFrom } from './load-from.ts';

export const EXPLAIN_USAGE = `onceward explain [--config FILE | --upstream URL] [-X METHOD] TARGET [-H 'Name: value']... [-d BODY | -d @FILE]

Says what would happen to a request, and why: its route and class, the key and where it was found, whose key it is,
what makes a repeat the same, and the answer to a first request, a repeat, a concurrent one and one with other
content. Nothing is sent, no store is opened; the functions that decide are those that serve. Without --config: as
"run --upstream" would do.

  -X, --request METHOD   default GET, or POST with -d
  -H, --header FIELD     a header field; only those given are there, and Host
  -d, --data BODY        the body as it is; @FILE reads it from a file
  --json                 the same as JSON

  onceward explain --config onceward.yaml -X POST /v1/pay -H 'Idempotency-Key: "8e03978e"' -H 'Authorization: Bearer x' -d '{}'`;

const OPTIONS = {
  config: { type: 'string' },
  upstream: { type: 'string' },
  request: { type: 'string', short: 'X' },
  header: { type: 'string', short: 'H', multiple: true },
  data: { type: 'string', short: 'd' },
  json: { type: 'boolean' },
} as const;

export async function runExplain(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: OPTIONS,
    allowPositionals: true,
    strict: true,
  });
  const usageFault = (message: string): number => {
    io.err(`onceward explain: ${message}\n`);
    return 2;
  };
  const [target] = positionals;
  if (target === undefined || positionals.length > 1)
    return usageFault('give one target, as in: onceward explain -X POST /v1/pay');
  const conflict = flagConflict(values);
  if (conflict !== null) return usageFault(`${conflict}.`);
  const loaded = await loadFrom(values, io);
  if (loaded.kind === 'faults') {
    for (const fault of loaded.faults) io.err(`${fault.text}\n`);
    return 1;
  }
  const { config } = loaded;
  const described = describeRequest({
    method: values.request ?? null,
    target,
    fields: values.header ?? [],
    body: values.data === undefined ? null : await bodyBytes(values.data),
    host: `${config.listen.host}:${config.listen.port}`,
  });
  if (described.kind === 'fault') return usageFault(`${described.message}.`);
  const { method, target: shown } = described.request.head;
  const caller = await describedCaller(config, described.request.head);
  const explanation = explainRequest(config, described.request, wallMs, caller);
  io.out(
    values.json === true
      ? explanationJson({ method, target: shown }, explanation)
      : explanationText(`${method} ${shown}`, sectionsOf(explanation)),
  );
  return 0;
}

/** The token is verified as in serving, with the key sets that the configuration names. */
async function describedCaller({ jwt, ...config }: ResolvedConfig, head: RequestHead): Promise<Caller> {
  if (jwt === null) return { ...STRANGER, token: { kind: 'absent' } };
  const keySets = createKeySets({ intervalMs: 60_000, onRead: () => undefined });
  try {
    await keySets.use(jwt.issuers.map(({ jwksFile }) => jwksFile));
    const claims = claimsAsked(config);
    const desk = createTokenDesk({ config: jwt, claims, keySets, wallMs, onRead: () => undefined });
    return { ...STRANGER, token: await desk.read(head.rawHeaders) };
  } finally {
    keySets.stop();
  }
}

/** The clock that `performance` counts from: a route may judge the date of a request. */
function wallMs(): number {
  return performance.timeOrigin + performance.now();
}

async function bodyBytes(data: string): Promise<Uint8Array> {
  return data.startsWith('@') ? await readFile(data.slice(1)) : Buffer.from(data, 'utf8');
}
