import { unreachable } from '../core/unreachable.ts';

/** The configuration as a tree in which every value knows where it comes from. */

export type Position = { readonly file: string; readonly line: number; readonly col: number };

export type Origin =
  | { readonly kind: 'file'; readonly at: Position }
  /** Substituted from a variable, at this place of the file; null in a run without one. */
  | { readonly kind: 'env'; readonly name: string; readonly at: Position | null }
  | { readonly kind: 'flag'; readonly name: string }
  /** Set by another field, such as `message: github`, which the name is; `at` is where that field stands, if known. */
  | { readonly kind: 'preset'; readonly name: string; readonly at: Position | null }
  | { readonly kind: 'default' };

export type Scalar = string | number | boolean | null;

export type ConfigNode =
  | {
      readonly kind: 'scalar';
      readonly value: Scalar;
      readonly origin: Origin;
      /** As written before substitution; null where nothing was substituted. */
      readonly written: string | null;
    }
  | { readonly kind: 'list'; readonly items: readonly ConfigNode[]; readonly origin: Origin }
  | { readonly kind: 'map'; readonly entries: ReadonlyMap<string, ConfigEntry>; readonly origin: Origin };

export type ConfigMap = Extract<ConfigNode, { kind: 'map' }>;

/** `keyOrigin`: where the name stands, for faults that concern the field itself. */
export type ConfigEntry = { readonly keyOrigin: Origin; readonly node: ConfigNode };

/** Names and indexes, as in `routes`, 0, `lease`. */
export type ConfigPath = readonly (string | number)[];

export type ConfigData = Scalar | readonly ConfigData[] | { readonly [name: string]: ConfigData };

export const DEFAULT_ORIGIN: Origin = { kind: 'default' };

export function nodeOf(data: ConfigData, origin: Origin): ConfigNode {
  if (isList(data)) return { kind: 'list', items: data.map((item) => nodeOf(item, origin)), origin };
  if (typeof data !== 'object' || data === null)
    return { kind: 'scalar', value: data, origin, written: null };
  const entries = new Map<string, ConfigEntry>();
  for (const [name, value] of Object.entries(data))
    entries.set(name, { keyOrigin: origin, node: nodeOf(value, origin) });
  return { kind: 'map', entries, origin };
}

/** Array.isArray does not narrow a readonly array. */
function isList(data: ConfigData): data is readonly ConfigData[] {
  return Array.isArray(data);
}

export function mapOf(entries: Iterable<readonly [string, ConfigNode]>, origin: Origin): ConfigMap {
  const made = new Map<string, ConfigEntry>();
  for (const [name, node] of entries) made.set(name, { keyOrigin: node.origin, node });
  return { kind: 'map', entries: made, origin };
}

export type PlainData = Scalar | PlainData[] | { [name: string]: PlainData };

export function plainOf(node: ConfigNode): PlainData {
  switch (node.kind) {
    case 'scalar':
      return node.value;
    case 'list':
      return node.items.map(plainOf);
    case 'map': {
      const plain: { [name: string]: PlainData } = {};
      for (const [name, entry] of node.entries) plain[name] = plainOf(entry.node);
      return plain;
    }
    default:
      return unreachable(node);
  }
}

/** Sections that are one value: an entry of the one would not fit an entry of the other. */
const WHOLE: ReadonlySet<string> = new Set(['fingerprint.body', 'reconcile', 'message', 'lock', 'ticket']);

/** `over` field by field on top of `base`: maps are merged, lists and scalars are replaced. */
export function mergeNodes(base: ConfigNode, over: ConfigNode, path = ''): ConfigNode {
  if (base.kind !== 'map' || over.kind !== 'map' || WHOLE.has(path)) return over;
  const entries = new Map(base.entries);
  for (const [name, entry] of over.entries) {
    const below = entries.get(name);
    const merged =
      below === undefined
        ? entry.node
        : mergeNodes(below.node, entry.node, path === '' ? name : `${path}.${name}`);
    entries.set(name, { keyOrigin: entry.keyOrigin, node: merged });
  }
  return { kind: 'map', entries, origin: over.origin };
}

/** Whether somebody has written it, where it stands or in a variable or flag. */
export function isWritten({ kind }: Origin): boolean {
  return kind !== 'default' && kind !== 'preset';
}

export function entryOf(node: ConfigNode | null, name: string): ConfigEntry | null {
  return node?.kind === 'map' ? (node.entries.get(name) ?? null) : null;
}

export function childOf(node: ConfigNode | null, name: string): ConfigNode | null {
  return entryOf(node, name)?.node ?? null;
}

export function nodeAt(root: ConfigNode, path: ConfigPath): ConfigNode | null {
  let node: ConfigNode | null = root;
  for (const step of path) {
    if (typeof step === 'number') node = node.kind === 'list' ? (node.items[step] ?? null) : null;
    else node = childOf(node, step);
    if (node === null) return null;
  }
  return node;
}

/** The origin of the value at the path, or of the nearest section around it that somebody wrote. */
export function originAt(root: ConfigNode, path: ConfigPath): Origin {
  for (let length = path.length; length > 0; length--) {
    const node = nodeAt(root, path.slice(0, length));
    if (node !== null && (isWritten(node.origin) || positionOf(node.origin) !== null)) return node.origin;
  }
  return root.origin;
}

export function positionOf(origin: Origin): Position | null {
  return origin.kind === 'file' || origin.kind === 'env' || origin.kind === 'preset' ? origin.at : null;
}

/** `onceward.yaml:3:9`, `env NAME`, `flag --store`, `profile stripe`, `default`. */
export function originText(origin: Origin): string {
  switch (origin.kind) {
    case 'file':
      return `${origin.at.file}:${origin.at.line}:${origin.at.col}`;
    case 'env':
      return `env ${origin.name}`;
    case 'flag':
      return `flag ${origin.name}`;
    case 'preset':
      return origin.name;
    case 'default':
      return 'default';
    default:
      return unreachable(origin);
  }
}

/** `routes[0].key.sources[1]`. */
export function pathText(path: ConfigPath): string {
  let text = '';
  for (const step of path) text += typeof step === 'number' ? `[${step}]` : text === '' ? step : `.${step}`;
  return text;
}

/** Every scalar and empty section by its path, with where it comes from. */
export function originsOf(root: ConfigNode): ReadonlyMap<string, string> {
  const origins = new Map<string, string>();
  const visit = (node: ConfigNode, path: ConfigPath): void => {
    if (node.kind === 'list' && node.items.length > 0) {
      for (const [index, item] of node.items.entries()) visit(item, [...path, index]);
    } else if (node.kind === 'map' && node.entries.size > 0) {
      for (const [name, entry] of node.entries) visit(entry.node, [...path, name]);
    } else {
      origins.set(pathText(path), originText(node.origin));
    }
  };
  visit(root, []);
  return origins;
}
