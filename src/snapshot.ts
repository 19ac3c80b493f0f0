import { BlockList, isIPv6 } from 'node:net';
import type { ResolvedConfig } from './config/resolved.ts';
import { messageFields } from './core/message.ts';
import { policiesOf } from './core/plan.ts';
import { SEQUENCE_FIELDS } from './core/sequence.ts';
import { signatureFields } from './core/signature.ts';
import type { Sealing } from './engine/sealing.ts';
import type { Snapshot } from './engine/types.ts';
import type { Upstream } from './http/seam.ts';
import { sealKey } from './store/seal.ts';

/** Everything a request needs of a configuration, worked out once for each configuration. */
export function createSnapshot(
  config: ResolvedConfig,
  upstream: Upstream,
  secrets: readonly Uint8Array[],
  tokens: Snapshot['tokens'],
): Snapshot {
  const trusted = trustedList(config.trustedProxies);
  return {
    config,
    upstream,
    secrets,
    sealing: sealingOf(config),
    tokens,
    guardLimits: guardLimits(config),
    reliedOn: reliedOn(config),
    forwardingOf: (address) => (trusted !== null && isTrusted(trusted, address) ? 'trusted' : 'untrusted'),
  };
}

export function sealingOf({ encryption }: ResolvedConfig): Sealing | null {
  if (encryption.keys.length === 0) return null;
  const keys = encryption.keys.map(({ id, key }) => sealKey(id, Buffer.from(key, 'hex')));
  return { keys, bind: encryption.bind, responses: encryption.responses };
}

export function guardLimits({ limits }: ResolvedConfig): Snapshot['guardLimits'] {
  return { headersMax: limits.headersMax, targetBytesMax: limits.targetBytesMax };
}

/** Dropped by a hop, a conditional write becomes an unconditional one. */
const CONDITION_FIELDS = ['if-match', 'if-none-match', 'if-unmodified-since', 'if-range'];

/** The fields that say who asks and which operation it is: a hop must not be told to drop them. */
export function reliedOn(config: ResolvedConfig): ReadonlySet<string> {
  const names = new Set<string>();
  for (const policy of policiesOf(config)) {
    for (const source of policy.key.sources) {
      if (source.kind === 'header') names.add(source.name);
      else if (source.kind === 'message') for (const name of messageFields(source.preset)) names.add(name);
    }
    const signature = policy.message?.signature ?? null;
    if (signature !== null) for (const name of signatureFields(signature)) names.add(name);
    for (const name of policy.scope.headers) names.add(name);
    if ((policy.scope.jwt !== undefined || policy.replayAuthorization?.kind === 'jwt') && config.jwt !== null)
      names.add(config.jwt.header);
    for (const name of policy.fingerprint.headers) names.add(name);
    for (const header of policy.match.headers) names.add(header.name);
    if (policy.precondition !== null) for (const name of CONDITION_FIELDS) names.add(name);
    if (policy.sequence !== null) for (const name of SEQUENCE_FIELDS) names.add(name);
    for (const { source } of policy.lock?.values ?? []) if (source.kind === 'header') names.add(source.name);
  }
  return names;
}

function trustedList(ranges: readonly string[]): BlockList | null {
  if (ranges.length === 0) return null;
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', prefix] = range.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return list;
}

function isTrusted(list: BlockList, address: string): boolean {
  // A dual-stack socket shows an IPv4 peer as ::ffff:a.b.c.d.
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address;
  return list.check(plain, isIPv6(plain) ? 'ipv6' : 'ipv4');
}
