import { unreachable } from '../core/unreachable.ts';
import { type HeldBody, holdBody } from './held-body.ts';
import { answerOverloaded, answerProblem } from './respond.ts';
import type { Ending, RequestContext } from './types.ts';

/** The whole body, bounded in bytes and time; or how the request ended instead. */
export async function readBody(
  context: RequestContext,
  bytesMax: number,
): Promise<
  { readonly kind: 'read'; readonly body: HeldBody } | { readonly kind: 'ended'; readonly ending: Ending }
> {
  const { engine, incoming } = context;
  const read = await incoming.body.read(bytesMax, engine.budget);
  switch (read.kind) {
    case 'complete':
      return { kind: 'read', body: holdBody(read.bytes, engine.budget) };
    case 'too-large': {
      const detail = `The body is larger than the ${bytesMax} bytes this route takes.`;
      return { kind: 'ended', ending: answerProblem(context, 'request-too-large', 'rejected', { detail }) };
    }
    case 'timed-out':
      return { kind: 'ended', ending: answerProblem(context, 'request-timeout', 'rejected') };
    case 'no-room':
      return { kind: 'ended', ending: answerOverloaded(context, 'buffer') };
    case 'aborted':
      return {
        kind: 'ended',
        ending: {
          outcome: 'rejected',
          status: 0,
          problem: null,
          context,
          upstreamMs: 0,
          bytesOut: 0,
          attempt: null,
        },
      };
    default:
      return unreachable(read);
  }
}
