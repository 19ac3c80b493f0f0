import type { Caller } from '../core/caller.ts';
import type { RequestHead } from '../core/wire.ts';
import type { Incoming } from '../http/seam.ts';
import type { Ending, Engine, Snapshot } from './types.ts';

/** A resource that Onceward answers itself, under the reserved prefix on the port of the clients. */

export type ReservedRequest = {
  readonly engine: Engine;
  readonly snapshot: Snapshot;
  readonly incoming: Incoming;
  readonly head: RequestHead;
  readonly caller: Caller;
  readonly host: string;
  /** Of the path, what follows the name of the resource; `''` where nothing does. */
  readonly tail: string;
};

export type Resource = {
  /** The first segment below the prefix; `''` is the prefix itself. */
  readonly name: string;
  /** GET stands for HEAD too; OPTIONS is answered for every resource. */
  readonly methods: readonly string[];
  readonly answer: (request: ReservedRequest) => Ending | Promise<Ending>;
};

export const NOTHING_HERE =
  'Onceward has no such resource under its reserved prefix, and forwards nothing below it.';

/** An answer that is neither the backend's nor a problem. */
export function answerOwn(
  engine: Engine,
  incoming: Incoming,
  status: number,
  rawHeaders: readonly string[],
  document: object | null,
): Ending {
  const body = document === null ? null : Buffer.from(`${JSON.stringify(document)}\n`, 'utf8');
  const ending: Ending = {
    outcome: 'answered',
    status,
    problem: null,
    context: null,
    upstreamMs: 0,
    bytesOut: body?.byteLength ?? 0,
    attempt: null,
  };
  if (incoming.reply.state() === 'gone') return { ...ending, status: 0, bytesOut: 0 };
  const content =
    body === null ? [] : ['Content-Type', 'application/json', 'Content-Length', String(body.byteLength)];
  incoming.reply.send(
    { status, rawHeaders: [...rawHeaders, ...content, 'Date', new Date(engine.wallMs()).toUTCString()] },
    incoming.head.method === 'HEAD' ? null : body,
  );
  return ending;
}
