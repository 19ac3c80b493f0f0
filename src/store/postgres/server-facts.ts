import { StoreUnavailable } from '../contract.ts';

/** What a server says of itself, and what that means for the promise. Pure. */
export type ServerFacts = {
  /** 150018 is 15.18. */
  readonly version: number;
  readonly role: 'primary' | 'standby';
  readonly access: 'read-write' | 'read-only';
  readonly synchronousCommit: string;
  /** Empty: no standby is waited for. */
  readonly synchronousStandbys: string;
  readonly fsync: string;
  readonly fullPageWrites: string;
  readonly standbys: number;
};

export type Judgement = {
  /** Each refuses the start. */
  readonly faults: readonly string[];
  readonly warnings: readonly string[];
};

const MAJOR_VERSION_MIN = 12;

/** Reads the row of session.sql. */
export function readServerFacts(row: readonly unknown[]): ServerFacts {
  const [version, inRecovery, readOnly, ...settings] = row;
  const [synchronousCommit, synchronousStandbys, fsync, fullPageWrites, standbys] = settings;
  if (typeof version !== 'number' || typeof inRecovery !== 'boolean') {
    // Behind a pooler that hands statements to other connections the row may be that of another statement.
    throw new StoreUnavailable(
      'error',
      'it does not say what it is, as behind a pooler in transaction or statement mode: let it pool by session',
    );
  }
  return {
    version,
    role: inRecovery ? 'standby' : 'primary',
    access: readOnly === 'on' ? 'read-only' : 'read-write',
    synchronousCommit: String(synchronousCommit),
    synchronousStandbys: String(synchronousStandbys),
    fsync: String(fsync),
    fullPageWrites: String(fullPageWrites),
    standbys: Number(standbys),
  };
}

/** A lost record is a second execution: what can lose acknowledged writes is refused, or accepted by name. */
export function judgeServer(facts: ServerFacts, acceptLoss: 'accept' | 'refuse'): Judgement {
  const faults: string[] = [];
  const warnings: string[] = [];
  const major = Math.floor(facts.version / 10_000);
  if (major < MAJOR_VERSION_MIN) faults.push(`its version is ${major}: use ${MAJOR_VERSION_MIN} or newer`);
  if (facts.role === 'standby') {
    faults.push('it is a standby, which takes no writes: point store.url at the primary');
  } else if (facts.access === 'read-only') {
    faults.push('it is read only: set default_transaction_read_only off for this user and database');
  }
  const losses = crashLosses(facts);
  if (acceptLoss === 'refuse')
    faults.push(...losses.map((loss) => `${loss}, or accept it with store.acceptLoss: true`));
  else warnings.push(...losses);
  warnings.push(...failoverLosses(facts));
  return { faults, warnings };
}

/** What an acknowledged write does not outlive: an end of the server alone. */
export function crashLosses({ synchronousCommit, fsync, fullPageWrites }: ServerFacts): readonly string[] {
  const losses: string[] = [];
  if (synchronousCommit === 'off') {
    losses.push(
      'its synchronous_commit is off, so a crash loses the latest records and their requests are executed again: set synchronous_commit on',
    );
  }
  if (fsync !== 'on') {
    losses.push(
      'its fsync is off, so a power loss can lose or damage records and their requests are executed again: set fsync on',
    );
  }
  if (fullPageWrites !== 'on') {
    losses.push(
      'its full_page_writes is off, so a power loss can damage records: set full_page_writes on, unless the file system writes whole pages',
    );
  }
  return losses;
}

function failoverLosses(facts: ServerFacts): readonly string[] {
  const { synchronousCommit, synchronousStandbys, standbys } = facts;
  if (synchronousStandbys === '') {
    if (standbys === 0) return [];
    return [
      'replication is asynchronous: a failover can lose the latest records, and their requests can be executed again; set synchronous_standby_names',
    ];
  }
  switch (synchronousCommit) {
    case 'local':
      return [
        'synchronous_commit is local: a failover can lose the latest records, and their requests can be executed again',
      ];
    case 'remote_write':
      return [
        'synchronous_commit is remote_write: a failover to a standby whose machine failed as well can lose the latest records',
      ];
    default:
      // on and remote_apply wait for the standby's disk; off is a loss already.
      return [];
  }
}
