import type { LockPolicy } from '../core/lock-policy.ts';
import type { PathSegment } from '../core/policy.ts';
import type { Capture } from '../core/reconcile.ts';
import type { Template } from '../core/template.ts';
import { LOCK_DEFAULTS } from './defaults.ts';
import { captureSourceOf } from './resolve-reconcile.ts';
import type { LockField } from './schema-lock.ts';
import { parseDuration } from './units.ts';

type Section = Extract<LockField, { readonly resources: unknown }>;
export type WholeLock = Omit<Section, 'resources'> & { readonly resources: readonly Template[] };

/** The long form of what may have been written short; null for off. */
export function wholeLock(lock: LockField): WholeLock | null {
  if (lock === 'off') return null;
  if ('resources' in lock) return { ...lock, resources: templates(lock.resources) };
  const { queue } = LOCK_DEFAULTS;
  return {
    resources: templates(lock),
    capture: {},
    wait: msOf(LOCK_DEFAULTS.wait),
    queue,
    lease: msOf(LOCK_DEFAULTS.lease),
  };
}

export function resolveLock(field: LockField, path: readonly PathSegment[] | null): LockPolicy | null {
  const lock = wholeLock(field);
  if (lock === null) return null;
  const captured = Object.entries(lock.capture).map(
    ([name, source]): Capture => ({ name, source: captureSourceOf(source) }),
  );
  const { resources, wait, queue, lease } = lock;
  return {
    resources,
    values: [...pathValues(path ?? []), ...captured],
    ...{ waitMs: wait, queueMax: queue, leaseMs: lease },
  };
}

/** Segments with a name, as far as their number is the same in every path that matches. */
export function pathValues(path: readonly PathSegment[]): readonly Capture[] {
  const rest = path.findIndex(({ kind }) => kind === 'rest');
  const counted = rest === -1 ? path : path.slice(0, rest);
  return counted.flatMap((segment, index): readonly Capture[] =>
    segment.kind === 'one' && segment.name !== undefined
      ? [{ name: segment.name, source: { kind: 'segment', number: index + 1 } }]
      : [],
  );
}

/** One template, or several: a template is itself a list, of parts. */
function templates(written: Section['resources']): readonly Template[] {
  return written.every((each): each is Template[number] => 'kind' in each) ? [written] : nested(written);
}

function nested(written: Section['resources']): readonly Template[] {
  return written.flatMap((each) => ('kind' in each ? [] : [each]));
}

function msOf(text: string): number {
  const parsed = parseDuration(text);
  if (parsed.kind === 'ok') return parsed.value;
  throw new Error(`a default of lock ${parsed.message}`);
}
