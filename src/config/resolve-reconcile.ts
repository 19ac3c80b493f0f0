import { parsePointer } from '../core/json-pointer.ts';
import type { Capture, CaptureSource, Expected, JsonTest, ReconcilePolicy, Rule } from '../core/reconcile.ts';
import { parseTemplate } from '../core/template.ts';
import { unreachable } from '../core/unreachable.ts';
import type { Reconcile } from './schema-reconcile.ts';

type Section = Exclude<Reconcile, 'off'>;

export function resolveReconcile(reconcile: Reconcile): ReconcilePolicy | null {
  if (reconcile === 'off') return null;
  const { request, sweep } = reconcile;
  return {
    request: {
      method: request.method,
      path: request.path,
      headers: fieldsOf(request.headers),
      body: request.body ?? null,
      callerHeaders: request.callerHeaders.map((name) => name.toLowerCase()),
      timeoutMs: request.timeout,
    },
    capture: Object.entries(reconcile.capture).map(
      ([name, source]): Capture => ({ name, source: captureSourceOf(source) }),
    ),
    rules: reconcile.rules.map(ruleOf),
    sweep:
      sweep === 'off'
        ? { kind: 'off' }
        : {
            kind: 'on',
            intervalMs: sweep.interval,
            attemptsMax: sweep.attempts,
            ageMsMax: sweep.maxAge,
          },
  };
}

function fieldsOf(fields: Section['request']['headers']): ReconcilePolicy['request']['headers'] {
  return Object.entries(fields).map(([name, value]) => ({ name, value }));
}

/** Of one that names exactly one place. */
export function captureSourceOf(source: Section['capture'][string]): CaptureSource {
  if (source.json !== undefined) return { kind: 'json', tokens: source.json.tokens };
  if (source.header !== undefined) return { kind: 'header', name: source.header.toLowerCase() };
  if (source.query !== undefined) return { kind: 'query', name: source.query };
  if (source.segment !== undefined) return { kind: 'segment', number: source.segment };
  throw new Error('a captured value that names no place has passed the schema');
}

function ruleOf(rule: Section['rules'][number]): Rule {
  const { when, verdict, replay } = rule;
  return {
    when: {
      statuses: statusesOf(when.status),
      json: Object.entries(when.json).map(([pointer, test]) => {
        const parsed = parsePointer(pointer);
        if (parsed.kind !== 'ok') throw new Error('a malformed JSON Pointer has passed the schema');
        return { tokens: parsed.tokens, test: testOf(test) };
      }),
    },
    verdict:
      verdict === 'completed'
        ? {
            kind: verdict,
            replay: {
              status: replay.status ?? null,
              body: replay.body,
              headers: fieldsOf(replay.headers),
            },
          }
        : { kind: verdict },
  };
}

/** Every status a class stands for. */
export function statusesOf(status: Section['rules'][number]['when']['status']): readonly number[] {
  if (status === undefined) return [];
  const patterns = typeof status === 'string' ? [status] : status;
  return [
    ...new Set(
      patterns.flatMap((pattern) =>
        pattern.endsWith('xx')
          ? Array.from({ length: 100 }, (_, i) => Number(pattern[0]) * 100 + i)
          : [Number(pattern)],
      ),
    ),
  ];
}

type Written = Section['rules'][number]['when']['json'][string];

function testOf(test: Written): JsonTest {
  if (typeof test === 'string' || typeof test === 'number' || typeof test === 'boolean')
    return { kind: 'one-of', values: [expectedOf(test)] };
  if ('is' in test) return { kind: test.is };
  return test.length === 0 ? { kind: 'empty-list' } : { kind: 'one-of', values: test.map(expectedOf) };
}

function expectedOf(value: string | number | boolean): Expected {
  switch (typeof value) {
    case 'string':
      return { kind: 'text', template: parseTemplate(value) };
    case 'number':
      return { kind: 'number', value };
    case 'boolean':
      return { kind: 'boolean', text: value ? 'true' : 'false' };
    default:
      return unreachable(value);
  }
}
