import type { ResolvedConfig } from './resolved.ts';
import type { Top } from './schema.ts';

export function resolveLimits(limits: Top['limits']): ResolvedConfig['limits'] {
  return {
    headBytesMax: limits.head,
    headersMax: limits.headers,
    targetBytesMax: limits.target,
    headTimeoutMs: limits.headTimeout,
    bodyTimeoutMs: limits.bodyTimeout,
    idleMs: limits.idleTimeout,
    connectionsMax: limits.connections,
    bufferBytesMax: limits.buffer,
    inFlightMax: limits.inFlight,
    joinersMax: limits.joiners,
    tasksMax: limits.tasks,
    memory: {
      refuseShare: limits.memory.refusePercent / 100,
      stopShare: limits.memory.stopPercent / 100,
    },
    client: {
      connectionsMax: limits.client.connections ?? null,
      inFlightMax: limits.client.inFlight ?? null,
    },
    principal: {
      inFlightMax: limits.principal.inFlight ?? null,
      newKeys: limits.principal.newKeys ?? null,
    },
  };
}
