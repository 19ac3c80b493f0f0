import { captureValues } from './capture.ts';
import type { LockTerms } from './lock.ts';
import type { RequestClass } from './outcome.ts';
import type { RoutePolicy } from './policy.ts';
import type { Capture } from './reconcile.ts';
import { namesIn, percentEncoded, render, type Template, templateText } from './template.ts';
import type { RequestHead } from './wire.ts';

export type LockPolicy = LockTerms & {
  readonly resources: readonly Template[];
  /** Where the values of the templates are: segments of the path pattern and what the file captures. */
  readonly values: readonly Capture[];
};

/** Whether a request takes locks. Observing holds nothing back, and what is safe changes nothing. */
export function lockOf(policy: RoutePolicy, requestClass: RequestClass): LockPolicy | null {
  return policy.mode === 'observe' || requestClass === 'safe' ? null : policy.lock;
}

export type LockResources =
  /** Each once, in the order in which everybody takes them. */
  | { readonly kind: 'resources'; readonly resources: readonly string[] }
  | { readonly kind: 'missing'; readonly detail: string };

/** What a request locks. Values are percent-encoded, so that none can be more than a value. */
export function lockResources(policy: LockPolicy, head: RequestHead, body: Uint8Array): LockResources {
  const values = captureValues(policy.values, '', head, body);
  const resources = new Set<string>();
  for (const template of policy.resources) {
    const resource = render(template, values, (value) => (value === '' ? null : percentEncoded(value)));
    if (resource === null) return { kind: 'missing', detail: missingDetail(policy, template, values) };
    resources.add(resource);
  }
  return { kind: 'resources', resources: [...resources].sort() };
}

function missingDetail(policy: LockPolicy, template: Template, values: ReadonlyMap<string, string>): string {
  const missing = namesIn(template).filter((name) => (values.get(name) ?? '') === '');
  const places = missing.map((name) => placeOf(policy, name));
  return `What this operation concerns (${templateText(template)}) cannot be told: ${places.join(' and ')} is missing, empty, repeated, longer than 512 characters or no text. Nothing was executed.`;
}

function placeOf({ values }: LockPolicy, name: string): string {
  const source = values.find((value) => value.name === name)?.source;
  switch (source?.kind) {
    case 'header':
      return `the header field ${source.name}`;
    case 'query':
      return `the query parameter ${source.name}`;
    case 'json':
      return `the JSON body member /${source.tokens.join('/')}`;
    default:
      return `the part {${name}} of the path`;
  }
}
