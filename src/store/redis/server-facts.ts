/** What a server says of itself, and what that means for the promise. Pure. */

export type ServerInfo = ReadonlyMap<string, string>;

/** `INFO`: `name:value` lines below `# Section` titles. */
export function parseInfo(text: string): ServerInfo {
  const info = new Map<string, string>();
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0 && !line.startsWith('#')) info.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return info;
}

export type ServerFacts = {
  readonly info: ServerInfo;
  /** `CONFIG GET appendfsync`, or null where the server does not tell. */
  readonly appendfsync: string | null;
};

/** What the servers are to each other, as the configuration says it. */
export type Topology = 'standalone' | 'sentinel' | 'cluster';

export type Judgement = {
  /** Each refuses the start, and new claims of a running store. */
  readonly faults: readonly string[];
  /** Refuses the start as well; afterwards it passes with the next failover. Null for a primary. */
  readonly role: string | null;
  readonly warnings: readonly string[];
};

const MAJOR_VERSION_MIN = 6;

/** A lost record is a second execution: what can lose acknowledged writes is refused, or accepted by name. */
export function judgeServer(
  facts: ServerFacts,
  topology: Topology,
  acceptLoss: 'accept' | 'refuse',
): Judgement {
  const { info } = facts;
  const faults: string[] = [];
  const warnings: string[] = [];
  const version = info.get('redis_version') ?? '';
  if (Number.parseInt(version, 10) < MAJOR_VERSION_MIN) {
    faults.push(`its version is ${version}: use ${MAJOR_VERSION_MIN}.0 or newer`);
  }
  faults.push(...topologyFaults(info, topology));
  const losses = [...evictionLoss(info), ...persistenceLoss(info)];
  if (acceptLoss === 'refuse')
    faults.push(...losses.map((loss) => `${loss}, or accept it with store.acceptLoss: true`));
  else warnings.push(...losses);
  warnings.push(...crashLoss(facts));
  return { faults, role: roleFault(info, topology), warnings };
}

function topologyFaults(info: ServerInfo, topology: Topology): readonly string[] {
  const clustered = info.get('cluster_enabled') === '1';
  if (clustered && topology !== 'cluster')
    return ['it is part of a cluster: set store.cluster: true and list its nodes in store.nodes'];
  if (!clustered && topology === 'cluster')
    return [
      'it is not part of a cluster: remove store.cluster, or start the server with cluster-enabled yes',
    ];
  return [];
}

function roleFault(info: ServerInfo, topology: Topology): string | null {
  const role = info.get('role');
  if (role === undefined || role === 'master') return null;
  const what = `it is a ${role === 'slave' ? 'replica' : role}, which takes no writes`;
  return topology === 'standalone'
    ? `${what}: point store.url at the primary`
    : `${what}: is a failover under way? Start again in a moment`;
}

function evictionLoss(info: ServerInfo): readonly string[] {
  const policy = info.get('maxmemory_policy');
  if (policy === 'noeviction') return [];
  return [
    `its maxmemory-policy is ${policy ?? 'unknown'}, so records can be evicted and their requests executed again: set maxmemory-policy noeviction`,
  ];
}

function persistenceLoss(info: ServerInfo): readonly string[] {
  if (info.get('aof_enabled') === '1') return [];
  return [
    'it keeps no append-only file, so a restart loses records and their requests are executed again: set appendonly yes',
  ];
}

function crashLoss({ info, appendfsync }: ServerFacts): readonly string[] {
  const losses: string[] = [];
  if (info.get('aof_enabled') === '1' && appendfsync !== null && appendfsync !== 'always') {
    losses.push(
      `appendfsync is ${appendfsync}: power loss can lose the records of ${appendfsync === 'everysec' ? 'the last second' : 'the last half minute'}, and their requests can be executed again`,
    );
  }
  if (Number(info.get('connected_slaves') ?? 0) > 0) {
    losses.push(
      'replication is asynchronous: a failover can lose the latest records, and their requests can be executed again',
    );
  }
  return losses;
}
