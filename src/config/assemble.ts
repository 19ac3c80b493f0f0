import type { z } from 'zod';
import { adviceOf } from './advice.ts';
import { checkNames, checkPolicy, checkRoute, checkShadowed, type PlacedRoute } from './check-policy.ts';
import { checkTop, type Finding } from './check-top.ts';
import { type Effective, effectiveOf } from './effective.ts';
import type { Env } from './env.ts';
import { type Fault, faultOf, sortedFaults } from './fault.ts';
import { resolveConfig } from './resolve.ts';
import type { ResolvedConfig } from './resolved.ts';
import { topSchema } from './schema.ts';
import { policySchema, routeSchema } from './schema-policy.ts';
import {
  type ConfigMap,
  type ConfigNode,
  type ConfigPath,
  childOf,
  entryOf,
  isWritten,
  nodeAt,
  nodeOf,
  originsOf,
  plainOf,
  positionOf,
} from './tree.ts';

/** A tree, from a file or from flags, to a configuration: fill in, judge every part, resolve. */

export type Loaded =
  | {
      readonly kind: 'ok';
      readonly config: ResolvedConfig;
      /** Path of each effective value to `file:line:col`, `env NAME`, `flag --name` or `default`. */
      readonly origins: ReadonlyMap<string, string>;
      readonly warnings: readonly Fault[];
      /** Everything as it would be written in a file, for `config print`. */
      readonly effective: ConfigMap;
      /** Of the text it was read from; empty without a file. */
      readonly contentHash: string;
    }
  | { readonly kind: 'faults'; readonly faults: readonly Fault[]; readonly contentHash: string };

export type Source = {
  readonly root: ConfigMap;
  /** Stands in messages about values that are in no file. */
  readonly name: string;
  readonly env: Env;
  /** Found while the text was read. */
  readonly faults: readonly Fault[];
  readonly contentHash: string;
};

export function assemble(source: Source): Loaded {
  const effective = effectiveOf(source.root);
  const judged = judgeAll(effective);
  const findings = [...judged.findings, ...findingsOf(judged, source)];
  const blamed = new Set(source.faults.map(placeOf));
  const placed = (finding: Finding): Fault => blame(effective.root, source.name, finding);
  // What could not be read has been reported; that it is not what the schema wants is only an echo.
  const faults = [
    ...source.faults,
    ...judged.faults(source.name).filter((fault) => fault.line === null || !blamed.has(placeOf(fault))),
    ...findings.filter(({ severity }) => severity === 'fault').map(placed),
  ];
  const { top, defaults, routes } = judged;
  if (faults.length > 0 || top.value === null || defaults.value === null) {
    return { kind: 'faults', faults: sortedFaults(faults), contentHash: source.contentHash };
  }
  const whole = routes.flatMap(({ value }) => (value === null ? [] : [value]));
  const draft = resolveConfig(top.value, defaults.value, whole, []);
  const warnings = sortedFaults(
    [...findings.filter(({ severity }) => severity === 'warning'), ...checkShadowed(draft.routes)].map(
      placed,
    ),
  );
  const config: ResolvedConfig = Object.freeze({
    ...draft,
    warnings: Object.freeze(warnings.map(({ text }) => text)),
  });
  return {
    kind: 'ok',
    config,
    origins: originsOf(effective.root),
    warnings,
    effective: effective.root,
    contentHash: source.contentHash,
  };
}

function placeOf(fault: Fault): string {
  return `${fault.line}:${fault.col}`;
}

/** The first of a finding's fields that someone has written, then the first that a profile set; else the first. */
function blame(root: ConfigNode, name: string, { paths, message }: Finding): Fault {
  const nodes = paths.map((path) => ({ path, node: nodeAt(root, path) }));
  const written = nodes.find(({ node }) => node !== null && isWritten(node.origin));
  const set = written ?? nodes.find(({ node }) => node !== null && positionOf(node.origin) !== null);
  return faultOf(root, name, set?.path ?? paths[0] ?? [], message);
}

type Part<T> = {
  /** Null where the part is too broken to be judged further. */
  readonly value: T | null;
  /** The fields whose values had to be left out to get the value. */
  readonly suspect: ReadonlySet<string>;
  readonly issues: readonly z.core.$ZodIssue[];
  readonly path: ConfigPath;
};

function judgeAll(effective: Effective) {
  const top = judge(topSchema, effective.top, []);
  const defaults = judge(policySchema, effective.defaults, ['defaults']);
  const items = effective.routes.kind === 'list' ? effective.routes.items : [];
  const routes = items.map((node, index) => judge(routeSchema, node, ['routes', index]));
  const findings: readonly Finding[] =
    effective.routes.kind === 'list'
      ? []
      : [
          {
            severity: 'fault',
            paths: [['routes']],
            message: 'must be a list of routes, each beginning with "- name:"',
          },
        ];
  // `defaults` first: what a route inherits is blamed on the place where it is written.
  const parts: readonly Part<unknown>[] = [top, defaults, ...routes];
  const faults = (name: string): readonly Fault[] =>
    parts.flatMap((part) => faultsOf(effective.root, name, part));
  return { top, defaults, routes, findings, faults };
}

/** Judges a part; where it is faulty, judges once more what is left without the faulty fields. */
function judge<T>(schema: z.ZodType<T>, node: ConfigNode, path: ConfigPath): Part<T> {
  const first = schema.safeParse(plainOf(node));
  if (first.success) return { value: first.data, suspect: new Set(), issues: [], path };
  const { issues } = first.error;
  const suspect = new Set(
    issues.flatMap((issue) =>
      issue.code === 'unrecognized_keys' && issue.path.length === 0
        ? issue.keys
        : [String(issue.path[0] ?? '')],
    ),
  );
  if (node.kind !== 'map') return { value: null, suspect, issues, path };
  const left = new Map([...node.entries].filter(([name]) => !suspect.has(name)));
  if (suspect.has('upstream')) left.set('upstream', { keyOrigin: node.origin, node: PLACEHOLDER_UPSTREAM });
  const second = schema.safeParse(plainOf({ ...node, entries: left }));
  return { value: second.success ? second.data : null, suspect, issues, path };
}

/** So that the rest of a file without a backend can be judged; never served, since the faults stand. */
const PLACEHOLDER_UPSTREAM = nodeOf({ url: 'http://onceward.invalid' }, { kind: 'default' });

function faultsOf(root: ConfigNode, name: string, part: Part<unknown>): readonly Fault[] {
  return adviceOf(part.issues, part.path).map(({ path, message, about }) => {
    const parent = nodeAt(root, path.slice(0, -1));
    const last = path.at(-1);
    const entry = typeof last === 'string' ? entryOf(parent, last) : null;
    if (about === 'absence' && nodeAt(root, path) === null)
      return faultOf(root, name, path, `is missing; it ${message}`);
    return about === 'name' && entry !== null
      ? faultOf(root, name, path, message, entry.keyOrigin)
      : faultOf(root, name, path, message);
  });
}

function findingsOf(
  { top, defaults, routes }: Omit<ReturnType<typeof judgeAll>, 'faults' | 'findings'>,
  source: Source,
): readonly Finding[] {
  const found: Finding[] = [];
  const storeNames = storeNamesOf(source.root);
  if (top.value !== null) found.push(...sound(checkTop(top.value, storeNames, source.env), [], top.suspect));
  const soundTop = top.suspect.size === 0 ? top.value : null;
  if (defaults.value !== null)
    found.push(
      ...sound(checkPolicy(defaults.value, soundTop, defaults.path), defaults.path, defaults.suspect),
    );
  const placed: PlacedRoute[] = [];
  for (const [index, { value, suspect, path }] of routes.entries()) {
    if (value === null) continue;
    placed.push({ route: value, index });
    found.push(...sound([...checkPolicy(value, soundTop, path), ...checkRoute(value, path)], path, suspect));
  }
  return [...found, ...checkNames(placed), ...sameNamedHeaders(source.root)];
}

/** A finding about a field whose value was left out is about a value that nobody wrote. */
function sound(
  findings: readonly Finding[],
  around: ConfigPath,
  suspect: ReadonlySet<string>,
): readonly Finding[] {
  return findings.filter(
    ({ paths }) => !paths.some((path) => suspect.has(String(path[around.length] ?? ''))),
  );
}

function storeNamesOf(root: ConfigMap): readonly string[] {
  const store = childOf(root, 'store');
  return store?.kind === 'map' ? [...store.entries.keys()] : [];
}

/** To HTTP `X-Env` and `x-env` are one name, to YAML they are two. */
function sameNamedHeaders(root: ConfigMap): readonly Finding[] {
  const routes = childOf(root, 'routes');
  if (routes?.kind !== 'list') return [];
  return routes.items.flatMap((route, index) => {
    const headers = childOf(childOf(route, 'match'), 'headers');
    const names = headers?.kind === 'map' ? [...headers.entries.keys()] : [];
    const twice = names.filter(
      (name, at) => names.findIndex((other) => other.toLowerCase() === name.toLowerCase()) < at,
    );
    return twice.map(
      (name): Finding => ({
        severity: 'fault',
        paths: [['routes', index, 'match', 'headers', name]],
        message: 'is there twice; names of header fields have no case',
      }),
    );
  });
}
