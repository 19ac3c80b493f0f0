import { hash } from 'node:crypto';
import type { PlainResponse, RecordKey, RecordState, RecordView, StoredResponse } from '../core/record.ts';
import { unreachable } from '../core/unreachable.ts';
import type { Log } from '../observe/log.ts';
import type { AdminResult, AdminWrite } from '../observe/metric-table.ts';
import type { Metrics } from '../observe/metrics.ts';
import { shortRecordKey } from '../observe/request-line.ts';
import { type Store, StoreUnavailable } from '../store/contract.ts';
import { findRecords } from '../store/find-records.ts';
import { type Lookup, parseLookup, parseResolve } from './keys-bodies.ts';
import {
  type AdminReply,
  type AdminRequest,
  type AdminRoute,
  jsonReply,
  problemReply,
} from './route-table.ts';
import { type AdminToken, callerOf } from './tokens.ts';

/** Keys by hand: listed and shown without their contents, found by the client's own key, resolved and forgotten. */

export type KeysParts = {
  readonly store: Store;
  readonly metrics: Pick<Metrics, 'adminWrite' | 'resolved'>;
  readonly log: Pick<Log, 'event'>;
  readonly tokens: () => readonly AdminToken[];
  /** The form in which a response is kept. */
  readonly storedForm: (recordKey: RecordKey, response: PlainResponse) => StoredResponse;
  readonly retainMs: () => number;
  readonly responseBytesMax: () => number;
  /** Under every secret, current first. Null: there is no such route, or the caller has no scope there. */
  readonly find: (lookup: Lookup) => readonly RecordKey[] | null;
  readonly wallMs: () => number;
  readonly monotonicMs: () => number;
};

const STATES: readonly RecordState[] = ['claimed', 'dispatched', 'completed', 'unknown', 'released'];
const LIMIT_MAX = 1000;
const LOOKUP_BYTES_MAX = 64 * 1024;
/** Base64 takes a third more; the rest is room for fields. */
const RESOLVE_BYTES_MAX = 2 * 1024 * 1024;
const RECORD_KEY = /^[\w-]{1,128}$/;

export function keysRoutes(parts: KeysParts): readonly AdminRoute[] {
  const routes: readonly AdminRoute[] = [
    { method: 'GET', path: '/keys', handle: (request) => list(parts, request) },
    {
      method: 'POST',
      path: '/keys/lookup',
      bodyBytesMax: LOOKUP_BYTES_MAX,
      handle: (request) => lookup(parts, request),
    },
    { method: 'GET', path: '/keys/{recordKey}', handle: (request) => show(parts, request) },
    {
      method: 'POST',
      path: '/keys/{recordKey}/resolve',
      bodyBytesMax: RESOLVE_BYTES_MAX,
      admit: (request) => denied(parts, request, 'resolve'),
      handle: (request) => audited(parts, request, 'resolve', () => resolve(parts, request)),
    },
    {
      method: 'DELETE',
      path: '/keys/{recordKey}',
      admit: (request) => denied(parts, request, 'forget'),
      handle: (request) => audited(parts, request, 'forget', () => forget(parts, request)),
    },
  ];
  return routes.map((route) => ({
    ...route,
    admit: (request) => malformed(request) ?? route.admit?.(request) ?? null,
    handle: (request) => answered(route, request),
  }));
}

function malformed({ parameters }: Omit<AdminRequest, 'body'>): AdminReply | null {
  const { recordKey } = parameters;
  return recordKey === undefined || RECORD_KEY.test(recordKey)
    ? null
    : problemReply(400, 'Bad request', 'A record key has letters, digits, "-" and "_".');
}

async function answered(route: AdminRoute, request: AdminRequest): Promise<AdminReply> {
  try {
    return await route.handle(request);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    return problemReply(
      503,
      'Store unavailable',
      `The store cannot be reached (${error.reason}); try again.`,
    );
  }
}

async function list({ store, monotonicMs }: KeysParts, { query }: AdminRequest): Promise<AdminReply> {
  const wanted = query.get('state');
  const state = STATES.find((known) => known === wanted) ?? null;
  if (wanted !== null && state === null)
    return problemReply(400, 'Bad request', `state is one of ${STATES.join(', ')}.`);
  const limit = Number(query.get('limit') ?? 100);
  if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MAX)
    return problemReply(400, 'Bad request', `limit is a number from 1 to ${LIMIT_MAX}.`);
  const page = await findRecords(store, query.get('cursor'), { state, limit }, monotonicMs);
  return jsonReply(200, { records: page.records.map(summary), cursor: page.cursor });
}

async function show({ store }: KeysParts, { parameters }: AdminRequest): Promise<AdminReply> {
  const view = await store.inspect(parameters.recordKey ?? '');
  if (view === null) return problemReply(404, 'Not found', 'There is no record under this key.');
  return jsonReply(200, {
    ...summary(view),
    response: view.response === null ? null : outline(view.response),
  });
}

/**
 * Nothing of what a client sent, and nothing that opens it. Not the fingerprint: it is a plain digest, and whoever reads
 * here without a token could try out what a short request said.
 */
function summary({ response: _response, fingerprint: _fingerprint, note, ...view }: RecordView): object {
  return { ...view, note: note === null ? 'absent' : 'present' };
}

/** Enough to tell two responses apart, and nothing of what they say. */
function outline(response: StoredResponse): object {
  switch (response.kind) {
    case 'sealed':
      return { kind: response.kind, bytes: response.bytes.byteLength };
    case 'unstored':
      return { kind: response.kind, status: response.status };
    case 'full':
      return {
        kind: response.kind,
        status: response.status,
        fields: response.rawHeaders.filter((_, at) => at % 2 === 0),
        bodyBytes: response.body.byteLength,
        bodySha256: hash('sha256', response.body),
      };
    default:
      return unreachable(response);
  }
}

async function lookup(parts: KeysParts, { body }: AdminRequest): Promise<AdminReply> {
  const asked = parseLookup(body);
  if (typeof asked === 'string') return problemReply(400, 'Bad request', asked);
  const found = parts.find(asked);
  if (found === null)
    return problemReply(
      404,
      'Not found',
      'There is no route of this name, or none of the fields that its scope is made of was given.',
    );
  const records = [];
  for (const recordKey of found) {
    const view = await parts.store.inspect(recordKey);
    records.push({ recordKey, state: view?.state ?? 'absent' });
  }
  return jsonReply(200, { records });
}

type Done = { readonly reply: AdminReply; readonly result: string };

type Audit = (who: string, counted: AdminResult, result: string) => void;

function auditOf(
  { metrics, log }: KeysParts,
  parameters: AdminRequest['parameters'],
  action: AdminWrite,
): Audit {
  return (who, counted, result) => {
    metrics.adminWrite(action, counted);
    const recordKey = shortRecordKey(parameters.recordKey ?? '');
    log.event(counted === 'done' ? 'info' : 'warn', 'audit', { who, action, recordKey, result });
  };
}

/** Null for a caller whose token fits. */
function denied(
  parts: KeysParts,
  { authorization, parameters }: Omit<AdminRequest, 'body'>,
  action: AdminWrite,
): AdminReply | null {
  const caller = callerOf(parts.tokens(), authorization);
  const audit = auditOf(parts, parameters, action);
  switch (caller.kind) {
    case 'nobody-may':
      audit('nobody', 'denied', 'no token is configured');
      return problemReply(
        403,
        'Forbidden',
        'No token is configured: give one a name in admin.tokens of the configuration, from a variable.',
      );
    case 'unknown':
      audit('unknown', 'denied', 'no token that fits');
      return {
        ...problemReply(401, 'Unauthorized', 'Send a token of admin.tokens: Authorization: Bearer …'),
        headers: { 'WWW-Authenticate': 'Bearer' },
      };
    case 'known':
      return null;
    default:
      return unreachable(caller);
  }
}

/** The one way of every write: who asks, then the write, then what became of it, in the log and the metrics. */
async function audited(
  parts: KeysParts,
  request: AdminRequest,
  action: AdminWrite,
  act: () => Promise<Done>,
): Promise<AdminReply> {
  const caller = callerOf(parts.tokens(), request.authorization);
  // Once more: a token that was taken away while the body came in fits no longer.
  if (caller.kind !== 'known')
    return denied(parts, request, action) ?? problemReply(401, 'Unauthorized', 'The tokens have changed.');
  const audit = auditOf(parts, request.parameters, action);
  try {
    const { reply, result } = await act();
    audit(caller.name, reply.status < 300 ? 'done' : 'refused', result);
    return reply;
  } catch (error) {
    // It may have been done all the same.
    audit(caller.name, 'refused', error instanceof StoreUnavailable ? `store ${error.reason}` : 'defect');
    throw error;
  }
}

async function resolve(parts: KeysParts, { parameters, body }: AdminRequest): Promise<Done> {
  const recordKey = parameters.recordKey ?? '';
  const asked = parseResolve(body, parts.wallMs());
  if (typeof asked === 'string')
    return { reply: problemReply(400, 'Bad request', asked), result: 'bad request' };
  const { to, token } = asked;
  if (to === 'completed' && asked.response.body.byteLength > parts.responseBytesMax()) {
    const detail = `A response that is kept has at most ${parts.responseBytesMax()} bytes (limits.response).`;
    return { reply: problemReply(413, 'Content too large', detail), result: 'too large' };
  }
  const written = await parts.store.resolve(
    recordKey,
    token,
    to === 'completed'
      ? { kind: to, response: parts.storedForm(recordKey, asked.response), retainMs: parts.retainMs() }
      : // The word of an operator, who knows that no exchange is open.
        { kind: to, quietMs: 0 },
  );
  if (written === 'ok') {
    parts.metrics.resolved('operator', to);
    return { reply: jsonReply(200, { recordKey, state: to }), result: `${to}, token ${token}` };
  }
  const view = await parts.store.inspect(recordKey);
  const now = view === null ? 'absent' : `${view.state} under token ${view.token}`;
  const detail = `Only an unknown record is resolved, and only under its own token; it is ${now}.`;
  return { reply: problemReply(409, 'Conflict', detail), result: `lost, it is ${now}` };
}

async function forget({ store }: KeysParts, { parameters, query }: AdminRequest): Promise<Done> {
  const how = query.get('force') === 'true' ? 'forced' : 'settled-only';
  if ((await store.forget(parameters.recordKey ?? '', how)) === 'ok')
    return { reply: { status: 204, contentType: 'text/plain', body: '' }, result: how };
  const detail =
    'It is in flight or unknown: its next repeat would execute again. Resolve it, or say ?force=true.';
  return { reply: problemReply(409, 'Conflict', detail), result: 'refused' };
}
