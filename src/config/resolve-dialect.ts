import type { DialectPolicy, RepeatabilityPolicy } from '../core/dialect.ts';
import { resolveGrpc } from '../core/grpc.ts';
import type { Dialect } from './schema-dialect.ts';

/** Null where the section says nothing of its own: a request then pays nothing for it. */
export function resolveDialect(dialect: Dialect): DialectPolicy | null {
  const { errors, statuses } = dialect;
  const echoKey = dialect.echoKey === 'off' ? null : dialect.echoKey;
  const repeatability = repeatabilityOf(dialect.repeatability);
  const jsonRpc = dialect.jsonRpc === 'off' ? null : dialect.jsonRpc;
  const isPlain = errors === 'problem' && Object.keys(statuses).length === 0;
  const grpc = dialect.grpc === 'off' ? null : resolveGrpc(dialect.grpc.statuses);
  const isSilent = echoKey === null && repeatability === null && jsonRpc === null && grpc === null;
  return isPlain && isSilent ? null : { errors, statuses, echoKey, repeatability, jsonRpc, grpc };
}

function repeatabilityOf(repeatability: Dialect['repeatability']): RepeatabilityPolicy | null {
  if (repeatability === 'off') return null;
  if (repeatability === 'unsupported') return { kind: 'unsupported' };
  return { kind: 'window', windowMs: repeatability.window, aheadMs: repeatability.ahead };
}
