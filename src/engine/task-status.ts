import { isUtf8 } from 'node:buffer';
import { replayHeaders } from '../core/headers.ts';
import { readPreferences } from '../core/prefer.ts';
import type { PlainResponse, RecordView } from '../core/record.ts';
import { preferredWaitMs, type TaskPolicy, taskStanding, taskSuccess } from '../core/task.ts';
import { isOfRequest, parseTaskId, type TaskId } from '../core/task-id.ts';
import { unreachable } from '../core/unreachable.ts';
import { StoreUnavailable } from '../store/contract.ts';
import { refuseReplay } from './authorize.ts';
import { awaitSettled } from './await-settled.ts';
import { answerOwn, type ReservedRequest } from './resource.ts';
import { answerOverloaded, answerProblem, refuse } from './respond.ts';
import { readResponse } from './sealing.ts';
import { answerStored } from './stored.ts';
import { findTask } from './task-owner.ts';
import type { Ending, RequestContext } from './types.ts';

/** The status resource of a task: `<prefix>/tasks/<id>`, and `…/response` for the response itself. */

/** `expired` and `task-unknown` are problems. */
type TaskState = 'pending' | 'succeeded' | 'failed' | 'unknown' | 'released';

type Asked = {
  readonly context: RequestContext;
  readonly task: TaskPolicy;
  readonly idText: string;
  readonly id: TaskId;
};

export async function taskStatus(request: ReservedRequest): Promise<Ending> {
  const { engine, snapshot, incoming, head, caller, tail } = request;
  const [idText = '', part = '', ...more] = tail.split('/');
  const id = parseTaskId(idText);
  const found = id === null ? null : findTask(snapshot, head, caller, id);
  const isHere = more.length === 0 && (part === '' || part === 'response');
  // One answer for what never was, what is another's and what is nobody's; none of them asks the store.
  if (id === null || found === null || !isHere) return refuse(engine, snapshot, incoming, 'task-unknown');
  const asked: Asked = { context: contextOf(request, found, id), task: found.task, idText, id };
  const { replayAuthorization } = found.policy;
  const refused =
    replayAuthorization === null ? null : await refuseReplay(asked.context, replayAuthorization);
  if (refused !== null) return refused;
  try {
    const view = ofRequest(id, await look(asked));
    return part === 'response' ? answerResponse(asked, view) : answerState(asked, view);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    engine.log.storeUnavailable(error.reason, error.message);
    return answerProblem(asked.context, 'store-unavailable', 'store_unavailable', {
      detail: `How the task stands is in the store, which is unavailable (${error.reason}). Ask again.`,
    });
  }
}

function contextOf(
  { engine, snapshot, incoming, head, host }: ReservedRequest,
  { policy, scope }: Pick<RequestContext, 'policy'> & { readonly scope: Uint8Array },
  { recordKey }: TaskId,
): RequestContext {
  const request = { head, host, path: '', requestClass: 'safe', key: null, principal: null } as const;
  return { engine, snapshot, incoming, ...request, policy, scope, recordKey };
}

/** Waits first where the request prefers so; who finds no place to wait is told at once how it stands. */
async function look({ context, task, id }: Asked): Promise<RecordView | null> {
  const { engine, head, scope } = context;
  const waitMs = preferredWaitMs(readPreferences(head.rawHeaders), task.waitMs) ?? 0;
  const principal = waitMs === 0 || scope === null ? null : (engine.principals?.of(scope) ?? null);
  if (waitMs > 0 && principal?.enter() !== 'full') {
    try {
      const wait = { waitMs, waitersMax: task.waitersMax, token: null, onDrain: 'end' } as const;
      const waited = await awaitSettled(context, id.recordKey, wait);
      if (waited.kind === 'settled') return waited.view;
    } finally {
      principal?.leave();
    }
  }
  return await engine.store.inspect(id.recordKey);
}

/** Null where the key has become free since and was used for something else: of this task nothing is known any more. */
function ofRequest(id: TaskId, view: RecordView | null): RecordView | null {
  return view === null || isOfRequest(id, view.fingerprint) === 'no' ? null : view;
}

function answerResponse({ context, task, id }: Asked, view: RecordView | null): Ending {
  const standing = taskStanding(view);
  switch (standing) {
    case 'pending':
      return answerProblem(context, 'in-flight', 'in_flight', { retryAfterMs: task.retryAfterMs });
    case 'completed':
      return view === null || view.response === null
        ? answerProblem(context, 'response-not-stored', 'unstored')
        : answerStored(context, id.recordKey, view.token, view.response, 'replayed');
    case 'unknown':
      return answerProblem(context, 'outcome-unknown', 'unknown');
    case 'released':
      return answerProblem(context, 'released', 'released');
    case 'expired':
      return answerProblem(context, 'task-expired', 'answered');
    default:
      return unreachable(standing);
  }
}

function answerState(asked: Asked, view: RecordView | null): Ending {
  const { context, task } = asked;
  const standing = taskStanding(view);
  switch (standing) {
    case 'pending':
      return tell(asked, { state: 'pending', retryAfterMs: task.retryAfterMs }, [
        'Retry-After',
        String(Math.ceil(task.retryAfterMs / 1000)),
      ]);
    case 'completed':
      return view === null
        ? answerProblem(context, 'task-expired', 'answered')
        : answerCompleted(asked, view);
    case 'unknown':
      return tell(asked, {
        state: 'unknown',
        unknownForMs: Math.round(view?.unknownForMs ?? 0),
        detail:
          'The request was sent to the backend and its answer was lost. It may have been executed. A start with the same key tells what is known.',
      });
    case 'released':
      return tell(asked, {
        state: 'released',
        detail: 'It was not executed. A start with the same key starts it anew, under this id.',
      });
    case 'expired':
      return answerProblem(context, 'task-expired', 'answered');
    default:
      return unreachable(standing);
  }
}

/** Of this and less the body is told with the state; a longer one only at `…/response`. */
const EMBEDDED_BYTES_MAX = 64 * 1024;

function answerCompleted(asked: Asked, view: RecordView): Ending {
  const { context, id } = asked;
  if (view.response === null) return answerProblem(context, 'response-not-stored', 'unstored');
  const { opened } = readResponse(context, id.recordKey, view.response);
  const expiresInMs = Math.round(view.expiresInMs);
  switch (opened.kind) {
    case 'full': {
      const heldBytes = 2 * Math.min(opened.body.byteLength, EMBEDDED_BYTES_MAX);
      const { budget } = context.engine;
      if (budget.take(heldBytes) === 'full') return answerOverloaded(context, 'buffer');
      context.incoming.reply.onClosed(() => budget.give(heldBytes));
      return tell(asked, {
        state: taskSuccess(opened.status),
        expiresInMs,
        response: embedded(asked, opened),
      });
    }
    case 'unstored':
      return tell(asked, {
        state: taskSuccess(opened.status),
        expiresInMs,
        response: { status: opened.status, kept: false },
      });
    case 'unreadable':
      return answerProblem(context, 'response-unreadable', 'unreadable');
    default:
      return unreachable(opened);
  }
}

/** As a repeat gets it. A body that is no text is told in base64, a long one by its length. */
function embedded({ context, idText }: Asked, response: Extract<PlainResponse, { kind: 'full' }>): object {
  const { engine, policy, snapshot } = context;
  const { status, body } = response;
  const lines = replayHeaders(response, policy, 'replayed', engine.wallMs());
  const headers: (readonly [string, string])[] = [];
  for (let i = 0; i < lines.length; i += 2) headers.push([lines[i] ?? '', lines[i + 1] ?? '']);
  const location = `${snapshot.config.reserved?.prefix ?? ''}/tasks/${idText}/response`;
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const told =
    bytes.byteLength > EMBEDDED_BYTES_MAX
      ? { bodyBytes: bytes.byteLength }
      : isUtf8(bytes)
        ? { body: bytes.toString('utf8') }
        : { bodyBase64: bytes.toString('base64') };
  return { status, headers, ...told, location };
}

function tell(
  { context, idText }: Asked,
  document: { readonly state: TaskState; readonly [member: string]: unknown },
  rawHeaders: readonly string[] = [],
): Ending {
  const { engine, incoming } = context;
  const all = ['Cache-Control', 'no-store', ...rawHeaders];
  return { ...answerOwn(engine, incoming, 200, all, { task: idText, ...document }), context };
}
