import { callerOf } from '../core/caller.ts';
import type { ReplayAuthorization } from '../core/policy.ts';
import { unreachable } from '../core/unreachable.ts';
import type { RawHeaders } from '../core/wire.ts';
import { ask } from '../http/ask.ts';
import { outgoing } from './forward.ts';
import { identify } from './identify.ts';
import { answerProblem } from './respond.ts';
import type { Ending, RequestContext } from './types.ts';

/** Whether who repeats a request may still be told of it. Null: yes. */
export async function refuseReplay(
  context: RequestContext,
  authorization: ReplayAuthorization,
): Promise<Ending | null> {
  const judged = await judge(context, authorization);
  context.engine.metrics.replayAuthorized(context.policy.name, judged.kind);
  switch (judged.kind) {
    case 'allowed':
      return null;
    case 'denied':
      return answerProblem(
        context,
        judged.code,
        'rejected',
        judged.detail === undefined ? {} : { detail: judged.detail },
      );
    case 'unavailable':
      return answerProblem(context, 'verification-unavailable', 'rejected', { detail: judged.detail });
    default:
      return unreachable(judged);
  }
}

type Judged =
  | { readonly kind: 'allowed' }
  | {
      readonly kind: 'denied';
      readonly code: 'credential-invalid' | 'replay-denied';
      readonly detail?: string;
    }
  | { readonly kind: 'unavailable'; readonly detail: string };

const ALLOWED: Judged = { kind: 'allowed' };

async function judge(context: RequestContext, authorization: ReplayAuthorization): Promise<Judged> {
  switch (authorization.kind) {
    case 'jwt':
      return await judgeToken(context);
    case 'subrequest':
      return await askBackend(context, authorization);
    default:
      return unreachable(authorization);
  }
}

async function judgeToken({ snapshot, head, incoming }: RequestContext): Promise<Judged> {
  const { token } = await identify(snapshot, head, callerOf(incoming.peer));
  switch (token.kind) {
    case 'verified':
      return ALLOWED;
    case 'unavailable':
      return { kind: 'unavailable', detail: token.detail };
    case 'refused':
      return { kind: 'denied', code: 'credential-invalid', detail: token.detail };
    case 'absent':
    case 'not-read':
      return { kind: 'denied', code: 'credential-invalid' };
    default:
      return unreachable(token);
  }
}

const ANSWER_BYTES_MAX = 64 * 1024;

async function askBackend(
  context: RequestContext,
  { method, target, timeoutMs }: Extract<ReplayAuthorization, { kind: 'subrequest' }>,
): Promise<Judged> {
  const { engine, snapshot, head, policy } = context;
  const { rawHeaders } = outgoing(context, { kind: 'as-it-comes' }, null);
  const asked = await ask({
    upstream: snapshot.upstream,
    request: {
      ...{ method, target, body: { kind: 'none' }, sockets: 'shared' },
      rawHeaders: [
        ...questionHeaders(rawHeaders),
        ...['Onceward-Original-Method', head.method, 'Onceward-Original-Target', head.target],
      ],
    },
    timeoutMs,
    responseBytesMax: ANSWER_BYTES_MAX,
    budget: engine.budget,
    unprovenEnd: policy.unprovenEnd,
    wallMs: engine.wallMs,
  });
  if (asked.kind === 'no-answer') {
    engine.log.probeFailed(policy.name, `replay.authorize: ${asked.detail}`);
    return { kind: 'unavailable', detail: NOT_ASKED };
  }
  if (asked.status >= 200 && asked.status <= 299) return ALLOWED;
  if (asked.status === 401) return { kind: 'denied', code: 'credential-invalid' };
  if (asked.status === 403) return { kind: 'denied', code: 'replay-denied' };
  engine.log.probeFailed(policy.name, `replay.authorize: the backend answered ${asked.status}`);
  return { kind: 'unavailable', detail: NOT_ASKED };
}

const NOT_ASKED =
  'Whether this credential may be told of the request could not be found out at the backend. This attempt was not executed. Retry with the same key.';

/** Of the body, and of conditions and ranges that another resource could fulfil: 304 or 412 would be no verdict. */
const OF_THE_REQUEST = /^(?:content-.*|if-.*|range|accept-encoding|te|transfer-encoding|expect)$/i;

function questionHeaders(rawHeaders: RawHeaders): readonly string[] {
  const kept: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    if (!OF_THE_REQUEST.test(name)) kept.push(name, rawHeaders[at + 1] ?? '');
  }
  // An answer that was kept on the way is about another moment.
  kept.push('Cache-Control', 'no-cache');
  return kept;
}
