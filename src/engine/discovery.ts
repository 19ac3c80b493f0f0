import { describeRoute, type RouteDescription } from '../core/discovery.ts';
import { answerOwn, NOTHING_HERE, type ReservedRequest } from './resource.ts';
import { refuse } from './respond.ts';
import type { Ending, Snapshot } from './types.ts';

/** How each route wants its keys, for clients that would rather ask than be told. */

export type DiscoveryDocument = {
  /** Of this document; a member may be added without a new one. */
  readonly version: 1;
  /** What the `type` of every problem begins with. */
  readonly problems: string;
  readonly documentation: string | null;
  /** In order: the first that matches holds. */
  readonly routes: readonly RouteDescription[];
  /** For requests that match none of them; null: they get 404. */
  readonly unmatched: RouteDescription | null;
};

/** Long enough to spare a client from asking with every request, short enough for a reload to be noticed. */
const FRESH_SECONDS = 60;

/** `GET <prefix>`: all routes. `GET <prefix>/routes/<name>`: one of them. */
export function discovery({ engine, snapshot, incoming, head, tail }: ReservedRequest): Ending {
  const whole = head.target.split('?')[0] === snapshot.config.reserved?.prefix;
  const document =
    snapshot.config.reserved?.discovery !== 'on'
      ? null
      : whole
        ? documentOf(snapshot)
        : (documentOf(snapshot).routes.find(({ name }) => name === tail) ?? null);
  if (document === null) return refuse(engine, snapshot, incoming, 'not-found', NOTHING_HERE);
  return answerOwn(engine, incoming, 200, ['Cache-Control', `max-age=${FRESH_SECONDS}`], document);
}

function documentOf({ config }: Snapshot): DiscoveryDocument {
  return {
    version: 1,
    problems: 'urn:onceward:problem:',
    documentation: config.docsUrl,
    routes: config.routes.map(describeRoute),
    unmatched: config.fallback.kind === 'policy' ? describeRoute(config.fallback.policy) : null,
  };
}
