import { compilePath } from '../../core/route.ts';
import type { ApiDocument, ApiOperation } from './openapi-document.ts';
import { type KeyHint, keyHint, type ScopeHint, scopeHint } from './openapi-operations.ts';

/** The routes that a document asks for: one for each path, and another where its methods differ. */

export type ProposedRoute = {
  readonly name: string;
  readonly path: string;
  readonly methods: readonly ApiOperation['method'][];
  readonly key: KeyHint;
  readonly scope: ScopeHint;
  /** PUT and DELETE that declare a key. */
  readonly idempotentMethods: 'keyed' | 'bypass';
};

export type Proposal = {
  readonly routes: readonly ProposedRoute[];
  /** Idempotent by definition, and without a key: `METHOD path`. */
  readonly passed: readonly string[];
  readonly leftOut: readonly { readonly what: string; readonly why: string }[];
};

type Draft = Omit<ProposedRoute, 'name' | 'methods'> & {
  readonly methods: ApiOperation['method'][];
  readonly operationId: string;
};

export function proposeRoutes(api: ApiDocument): Proposal {
  const drafts = new Map<string, Draft>();
  const taken = new Set<string>();
  const passed: string[] = [];
  const leftOut = api.leftOut.map(({ path, why }) => ({ what: path, why }));
  for (const operation of api.operations) {
    const what = `${operation.method} ${operation.path}`;
    const key = keyHint(api, operation);
    const idempotent = operation.method === 'PUT' || operation.method === 'DELETE';
    if (idempotent && (key.kind === 'unsaid' || key.kind === 'none')) {
      passed.push(what);
      continue;
    }
    if (/\/\*\*?(?:\/|$)/.test(operation.path)) {
      // As a pattern it would take the requests of other paths, and their keys with them.
      leftOut.push({ what, why: 'a segment "*" or "**" of a path would stand for others in a route' });
      continue;
    }
    const path = patternOf(`${api.basePath}${operation.path}`);
    const compiled = compilePath(path);
    if (compiled.kind === 'fault') {
      leftOut.push({ what, why: compiled.message });
      continue;
    }
    // Two templates of one shape are one path to a request: the first has it.
    if (taken.has(`${operation.method} ${path}`)) {
      leftOut.push({ what, why: 'another path of the same shape comes before it' });
      continue;
    }
    taken.add(`${operation.method} ${path}`);
    addTo(drafts, operation, path, key, scopeHint(api, operation), idempotent ? 'keyed' : 'bypass');
  }
  return { routes: named([...drafts.values()].toSorted(specificFirst)), passed, leftOut };
}

function addTo(
  drafts: Map<string, Draft>,
  { method, operation }: ApiOperation,
  path: string,
  key: KeyHint,
  scope: ScopeHint,
  idempotentMethods: Draft['idempotentMethods'],
): void {
  const policy = JSON.stringify([path, key, scope, idempotentMethods]);
  const draft = drafts.get(policy);
  if (draft !== undefined) {
    draft.methods.push(method);
    return;
  }
  const { operationId } = operation;
  const id = typeof operationId === 'string' ? operationId : '';
  drafts.set(policy, { path, key, scope, idempotentMethods, methods: [method], operationId: id });
}

/** A template of any kind stands for a whole segment: a pattern has no smaller part. */
function patternOf(path: string): string {
  return path
    .split('/')
    .map((segment) => (/[{}]/.test(segment) ? '*' : segment))
    .join('/');
}

/** The first route that matches holds: a name comes before what stands for any. */
function specificFirst(one: Draft, other: Draft): number {
  const [a, b] = [one.path.split('/'), other.path.split('/')];
  for (let at = 0; at < Math.min(a.length, b.length); at += 1) {
    const [left = '', right = ''] = [a[at], b[at]];
    if (left === right) continue;
    if (left === '*' || right === '*') return left === '*' ? 1 : -1;
    return left < right ? -1 : 1;
  }
  return a.length - b.length;
}

const NAME_CHARS_MAX = 64;
/** Room for a number that tells two of one name apart. */
const STEM_CHARS_MAX = NAME_CHARS_MAX - 6;

function named(drafts: readonly Draft[]): readonly ProposedRoute[] {
  const used = new Set<string>();
  return drafts.map(({ operationId, ...draft }) => {
    const stem = nameOf(operationId === '' ? `${draft.methods[0]}-${draft.path}` : operationId);
    let name = stem;
    for (let n = 2; used.has(name); n += 1) name = `${stem}-${n}`;
    used.add(name);
    return { name, ...draft };
  });
}

function nameOf(text: string): string {
  const name = text
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/--+/g, '-')
    .replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '')
    .slice(0, STEM_CHARS_MAX);
  return name === '' ? 'route' : name;
}
