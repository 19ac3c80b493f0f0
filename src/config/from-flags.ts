import { assemble, type Loaded } from './assemble.ts';
import type { Env } from './env.ts';
import { faultAt } from './fault.ts';
import { type ConfigMap, type ConfigNode, mapOf, nodeOf, type Origin } from './tree.ts';

export type FlagOptions = {
  readonly upstream: string;
  readonly env: Env;
  readonly listen?: string;
  /** Serves admin and observe on one address. */
  readonly admin?: string;
  readonly store?: string;
  readonly workers?: string;
  /** HMAC secrets, current first; without them a run on Redis takes the variable ONCEWARD_SECRET. */
  readonly secrets?: readonly string[];
  /** off: no port for probes and metrics, and without `admin` none for the operator. */
  readonly observe?: 'off';
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** As `store.singleReplica: true`, for a run that shares its records with nobody. */
  readonly replicas?: 'single';
};

const ANONYMOUS_WARNING =
  'without a configuration file callers without credentials share one scope (scope.anonymous: allow): whoever knows a key gets its response';

/** A run without a file: the same schema, defaults and checks. */
export function configFromFlags(options: FlagOptions): Loaded {
  const loaded = assemble({
    root: rootOf(options),
    name: 'flags',
    env: options.env,
    faults: [],
    contentHash: '',
  });
  if (loaded.kind === 'faults') return loaded;
  const warnings = [...loaded.warnings, faultAt('--upstream', null, null, '', ANONYMOUS_WARNING)];
  return {
    ...loaded,
    warnings,
    config: Object.freeze({ ...loaded.config, warnings: Object.freeze(warnings.map(({ text }) => text)) }),
  };
}

function rootOf(options: FlagOptions): ConfigMap {
  const given = flag('--upstream');
  const entries: [string, ConfigNode][] = [
    ['upstream', mapOf([['url', nodeOf(options.upstream, given)]], given)],
    ['defaults', nodeOf({ scope: { anonymous: 'allow' } }, given)],
  ];
  const { listen, admin, store, workers } = options;
  if (listen !== undefined) entries.push(['listen', nodeOf(listen, flag('--listen'))]);
  if (workers !== undefined) entries.push(['workers', nodeOf(workers, flag('--workers'))]);
  if (store !== undefined || options.replicas === 'single') {
    const fields: [string, ConfigNode][] =
      store === undefined ? [] : [['url', nodeOf(store, flag('--store'))]];
    if (options.replicas === 'single' && !isShared(store))
      fields.push(['singleReplica', nodeOf(true, flag('--store'))]);
    entries.push(['store', mapOf(fields, flag('--store'))]);
  }
  const secret = options.env.ONCEWARD_SECRET ?? '';
  if (options.secrets !== undefined) entries.push(['secrets', nodeOf(options.secrets, flag('--secrets'))]);
  else if (isShared(store) && secret !== '')
    entries.push(['secrets', nodeOf([secret], { kind: 'env', name: 'ONCEWARD_SECRET', at: null })]);
  if (options.observe === 'off') entries.push(['observe', nodeOf('off', flag('--observe'))]);
  if (admin !== undefined) {
    entries.push(['admin', nodeOf({ listen: admin }, flag('--admin'))]);
    if (options.observe !== 'off') entries.push(['observe', nodeOf('off', flag('--admin'))]);
  } else if (options.observe === 'off') {
    entries.push(['admin', nodeOf('off', flag('--observe'))]);
  }
  if (options.logLevel !== undefined)
    entries.push(['log', nodeOf({ level: options.logLevel }, flag('--log-level'))]);
  return mapOf(entries, { kind: 'default' });
}

function isShared(store: string | undefined): boolean {
  return store !== undefined && /^(?:rediss?|postgres(?:ql)?):/.test(store);
}

function flag(name: string): Origin {
  return { kind: 'flag', name };
}
