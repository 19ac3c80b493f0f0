import { decideOpened } from '../core/decide.ts';
import type { PlainResponse, RecordKey, StoredResponse } from '../core/record.ts';
import { unreachable } from '../core/unreachable.ts';
import { answerProblem, replay } from './respond.ts';
import { readResponse, storedForm } from './sealing.ts';
import type { Ending, RequestContext } from './types.ts';

/** Answers with what is stored for a completed key, opened where it is sealed. */
export function answerStored(
  context: RequestContext,
  recordKey: RecordKey,
  token: number,
  stored: StoredResponse,
  how: 'replayed' | 'joined',
): Ending {
  const { opened, form } = readResponse(context, recordKey, stored);
  const decision = decideOpened(opened);
  switch (decision.kind) {
    case 'replay': {
      const ending = replay(context, decision.response, how);
      if (form === 'older') refresh(context, recordKey, token, decision.response);
      return ending;
    }
    case 'response-not-stored':
      return answerProblem(context, 'response-not-stored', 'unstored');
    case 'response-unreadable':
      return answerProblem(context, 'response-unreadable', 'unreadable');
    default:
      return unreachable(decision);
  }
}

/** Rotation needs no pass over the store: what is still asked for moves under the current key when it is read. */
function refresh(
  context: RequestContext,
  recordKey: RecordKey,
  token: number,
  response: PlainResponse,
): void {
  context.engine.resealer.offer(recordKey, token, () => storedForm(context, recordKey, response));
}
