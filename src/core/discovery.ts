import type { DialectPolicy } from './dialect.ts';
import type { KeySource, PathSegment, RoutePolicy } from './policy.ts';
import { SEQUENCE_FIELDS, WINDOW } from './sequence.ts';
import type { TaskPolicy } from './task.ts';
import { unreachable } from './unreachable.ts';

/** What a client needs to know of a route to repeat its requests safely. Plain data, as the discovery document has it. */

export type RouteDescription = {
  readonly name: string;
  readonly match: {
    readonly host: string | null;
    readonly path: string | null;
    /** Empty: every method. */
    readonly methods: readonly string[];
    /** Names alone: a value may be a secret. */
    readonly headers: readonly string[];
  };
  /** observe: nothing is protected yet. */
  readonly mode: 'enforce' | 'observe';
  readonly key: {
    readonly presence: 'required' | 'optional' | 'ignored';
    readonly in: readonly KeyPlace[];
    /** strict: a String of RFC 9651, in quotes. lenient: with or without them. */
    readonly syntax: 'strict' | 'lenient';
    readonly characters: RoutePolicy['key']['characters'];
    readonly charsMin: number;
    readonly charsMax: number;
    /** Whether PUT, DELETE and the other idempotent methods are keyed too. */
    readonly idempotentMethods: 'keyed' | 'bypass';
  };
  /** Not null: a key is a ticket, fetched from `tickets` under the prefix, and spent within this time. */
  readonly ticket: { readonly lifeMs: number } | null;
  readonly scope: { readonly headers: readonly string[]; readonly anonymous: 'allow' | 'refuse' };
  /** How long a repeat gets the first response. */
  readonly retainMs: number;
  /** What a repeat gets while the first request is in flight. */
  readonly inFlight: { readonly kind: 'wait'; readonly waitMs: number } | { readonly kind: 'reject' };
  readonly onUnknown: 'hold' | 'retry';
  /** `none`, or the name of the API whose clients it is made for. */
  readonly profile: string;
  /** In whose words and with which statuses a refusal comes, and what else a client of that API finds; null: RFC 9457. */
  readonly dialect: DialectPolicy | null;
  /** Null: no condition is demanded. */
  readonly precondition: {
    readonly methods: readonly string[];
    readonly require: 'if-match' | 'none';
    /** Whose ETags they are. */
    readonly versions: 'backend' | 'store';
  } | null;
  /** Which keyed requests are answered 202 and executed in the background; null: none. */
  readonly task: Pick<TaskPolicy, 'respond' | 'onRepeat' | 'waitMs'> | null;
  /** Null: requests have keys. */
  readonly sequence: {
    readonly presence: 'required' | 'optional';
    readonly fields: readonly string[];
    /** How many of the last requests of a producer are replayed. */
    readonly window: number;
    readonly producerRetainMs: number;
  } | null;
  readonly requestBytesMax: number;
  readonly responseBytesMax: number;
};

export type KeyPlace =
  | { readonly header: string }
  | { readonly query: string }
  /** A JSON Pointer into the body. */
  | { readonly json: string }
  /** A field of an HTML form. */
  | { readonly form: string }
  /** The id of this kind of message, where its sender has it. */
  | { readonly message: string };

export function describeRoute(policy: RoutePolicy): RouteDescription {
  const { match, key } = policy;
  return {
    name: policy.name,
    match: {
      host: match.host,
      path: match.path === null ? null : patternText(match.path),
      methods: match.methods,
      headers: match.headers.map(({ name }) => name),
    },
    mode: policy.mode,
    key: {
      presence: key.sources.length === 0 ? 'ignored' : key.presence,
      in: key.sources.map(placeOf),
      syntax: key.syntax,
      characters: key.characters,
      charsMin: key.charsMin,
      charsMax: key.charsMax,
      idempotentMethods: policy.idempotentMethods,
    },
    ticket: policy.ticket === null ? null : { lifeMs: policy.ticket.lifeMs },
    scope: policy.scope,
    retainMs: policy.retainMs,
    inFlight:
      policy.inFlight.kind === 'reject'
        ? { kind: 'reject' }
        : { kind: 'wait', waitMs: policy.inFlight.waitMs },
    onUnknown: policy.onUnknown,
    profile: policy.profile,
    dialect: policy.dialect,
    precondition:
      policy.precondition === null
        ? null
        : {
            methods: policy.precondition.methods,
            require: policy.precondition.require,
            versions: policy.precondition.versions.kind,
          },
    task: policy.task === null ? null : describeTask(policy.task),
    sequence:
      policy.sequence === null
        ? null
        : {
            presence: policy.sequence.presence,
            fields: SEQUENCE_FIELDS,
            window: WINDOW,
            producerRetainMs: policy.sequence.producerRetainMs,
          },
    requestBytesMax: policy.requestBytesMax,
    responseBytesMax: policy.responseBytesMax,
  };
}

function describeTask({ respond, onRepeat, waitMs }: TaskPolicy): RouteDescription['task'] {
  return { respond, onRepeat, waitMs };
}

function placeOf(source: KeySource): KeyPlace {
  switch (source.kind) {
    case 'header':
      return { header: source.name };
    case 'query':
      return { query: source.name };
    case 'json':
      return { json: source.pointer };
    case 'form':
      return { form: source.name };
    case 'message':
      return { message: source.preset };
    default:
      return unreachable(source);
  }
}

function patternText(segments: readonly PathSegment[]): string {
  return `/${segments.map(segmentText).join('/')}`;
}

function segmentText(segment: PathSegment): string {
  switch (segment.kind) {
    case 'literal':
      return segment.text;
    case 'one':
      return segment.name === undefined ? '*' : `{${segment.name}}`;
    case 'rest':
      return '**';
    default:
      return unreachable(segment);
  }
}
