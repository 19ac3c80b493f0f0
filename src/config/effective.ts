import { DEFAULTS, POLICY_DEFAULTS, STORE_FIELDS, STORE_SIZE_DEFAULTS } from './defaults.ts';
import { messagePreset } from './message-presets.ts';
import { profileValues } from './profiles.ts';
import { scopePreset } from './scope-preset.ts';
import { TICKET_PRESET } from './ticket-preset.ts';
import {
  type ConfigEntry,
  type ConfigMap,
  type ConfigNode,
  childOf,
  DEFAULT_ORIGIN,
  mapOf,
  mergeNodes,
  nodeOf,
  positionOf,
} from './tree.ts';

/**
 * What the file leaves out is filled in: the defaults, the profile of `defaults`, `defaults`, the profile of the route,
 * the route. Whatever is wrong in it stays where it is.
 */

export type Effective = {
  /** In the order of the defaults, with `defaults` and `routes` last: what `config print` shows. */
  readonly root: ConfigMap;
  readonly top: ConfigNode;
  readonly defaults: ConfigNode;
  readonly routes: ConfigNode;
};

const EMPTY_MAP: ConfigNode = { kind: 'map', entries: new Map(), origin: DEFAULT_ORIGIN };
const EMPTY_LIST: ConfigNode = { kind: 'list', items: [], origin: DEFAULT_ORIGIN };

export function effectiveOf(file: ConfigMap): Effective {
  const entries = new Map(file.entries);
  const ownDefaults = entries.get('defaults')?.node ?? EMPTY_MAP;
  const ownRoutes = entries.get('routes')?.node ?? EMPTY_LIST;
  entries.delete('defaults');
  entries.delete('routes');
  const store = entries.get('store');
  if (store !== undefined) entries.set('store', { ...store, node: storeNode(store.node) });
  const merged = mergeNodes(nodeOf(DEFAULTS, DEFAULT_ORIGIN), { ...file, entries });
  const top = withoutStrangers(merged, entries.get('store'));
  const base = policyBase(top);
  const defaults = policyOver(withProfileOf(ownDefaults, base), ownDefaults);
  const inherited = inheritedOf(base, defaults, ownDefaults);
  const routes: ConfigNode =
    ownRoutes.kind === 'list'
      ? {
          ...ownRoutes,
          items: ownRoutes.items.map((route) =>
            route.kind === 'map' ? policyOver(withProfileOf(route, inherited(route)), route) : route,
          ),
        }
      : ownRoutes;
  const all = new Map(top.kind === 'map' ? top.entries : []);
  all.set('defaults', { keyOrigin: ownDefaults.origin, node: defaults });
  all.set('routes', { keyOrigin: ownRoutes.origin, node: routes });
  return { root: { kind: 'map', entries: all, origin: file.origin }, top, defaults, routes };
}

/**
 * What a route builds on. One that names a profile of its own takes nothing from the profile of `defaults`: half of
 * two dialects would be neither.
 */
function inheritedOf(
  base: ConfigMap,
  defaults: ConfigNode,
  ownDefaults: ConfigNode,
): (route: ConfigNode) => ConfigMap {
  // A `defaults` that is no section is reported where it stands; the routes are judged without it.
  const whole = defaults.kind === 'map' ? defaults : base;
  const own = policyOver(base, ownDefaults);
  const bare = own.kind === 'map' ? own : base;
  return (route) => (childOf(route, 'profile') === null ? whole : bare);
}

/** Every value of a profile is blamed on the line that names it. An unknown name is left to the schema. */
function withProfileOf(policy: ConfigNode, below: ConfigMap): ConfigMap {
  const named = childOf(policy, 'profile');
  if (named?.kind !== 'scalar') return below;
  const name = String(named.value);
  const values = profileValues(name);
  if (values === null) return below;
  const set = nodeOf(values, { kind: 'preset', name: `profile ${name}`, at: positionOf(named.origin) });
  const merged = mergeNodes(below, set);
  return merged.kind === 'map' ? merged : below;
}

/** `store: lmdb:./data` is short for `store: { url: lmdb:./data }`. */
function storeNode(node: ConfigNode): ConfigNode {
  return node.kind === 'scalar' && typeof node.value === 'string'
    ? mapOf([['url', node]], node.origin)
    : node;
}

/** Of `store`, the defaults that belong to another kind of store go; what the file itself says stays and is judged. */
function withoutStrangers(top: ConfigNode, own: ConfigEntry | undefined): ConfigNode {
  const store = childOf(top, 'store');
  const url = childOf(store, 'url');
  if (top.kind !== 'map' || store?.kind !== 'map' || url?.kind !== 'scalar') return top;
  const kind = storeKind(String(url.value));
  const ownNames = own?.node.kind === 'map' ? own.node.entries : new Map<string, ConfigEntry>();
  const entries = new Map(
    [...store.entries].filter(
      ([name]) => ownNames.has(name) || STORE_FIELDS[kind].some((known) => known === name),
    ),
  );
  if (kind !== 'redis' && kind !== 'postgres' && !entries.has('sizeMax')) {
    entries.set('sizeMax', {
      keyOrigin: DEFAULT_ORIGIN,
      node: nodeOf(STORE_SIZE_DEFAULTS[kind], DEFAULT_ORIGIN),
    });
  }
  const all = new Map(top.entries);
  all.set('store', { keyOrigin: store.origin, node: { ...store, entries } });
  return { ...top, entries: all };
}

function storeKind(url: string): keyof typeof STORE_FIELDS {
  if (/^postgres(?:ql)?:/.test(url)) return 'postgres';
  return url.startsWith('redis') ? 'redis' : url.startsWith('memory') ? 'memory' : 'lmdb';
}

/** What a policy says itself, over what its presets say, over what it inherits. */
function policyOver(base: ConfigMap, own: ConfigNode): ConfigNode {
  if (own.kind !== 'map') return mergeNodes(base, own);
  const entries = new Map(own.entries);
  const message = entries.get('message');
  if (message !== undefined) entries.set('message', { ...message, node: messageNode(message.node) });
  const presets = [
    messagePreset(childOf(childOf({ ...own, entries }, 'message'), 'preset')),
    childOf(own, 'ticket')?.kind === 'map' ? TICKET_PRESET : null,
    scopePreset(own),
  ];
  const below = presets.reduce<ConfigNode>(
    (under, preset) => (preset === null ? under : mergeNodes(under, preset)),
    base,
  );
  return mergeNodes(below, { ...own, entries });
}

/** `message: github` is short for `message: { preset: github }`. */
function messageNode(node: ConfigNode): ConfigNode {
  return node.kind === 'scalar' && typeof node.value === 'string' && node.value !== 'off'
    ? mapOf([['preset', node]], node.origin)
    : node;
}

const TIMEOUTS = [
  ['head', 'headTimeout'],
  ['body', 'bodyTimeout'],
  ['total', 'totalTimeout'],
  ['lateAnswer', 'lateAnswer'],
] as const;

/** A policy's time-outs come from `upstream`, with where they stand there. */
function policyBase(top: ConfigNode): ConfigMap {
  const upstream = childOf(top, 'upstream');
  const timeouts = TIMEOUTS.flatMap(([name, from]) => {
    const node = childOf(upstream, from);
    return node === null ? [] : [[name, node] as const];
  });
  const builtIn = Object.entries(POLICY_DEFAULTS).map(
    ([name, value]) => [name, nodeOf(value, DEFAULT_ORIGIN)] as const,
  );
  return mapOf([...builtIn, ['timeouts', mapOf(timeouts, DEFAULT_ORIGIN)]], DEFAULT_ORIGIN);
}
