import type { ResolvedConfig } from './config/resolved.ts';
import type { Pressure } from './core/overload.ts';
import { type Admission, createAdmission } from './engine/admission.ts';
import { type Clients, createClients } from './engine/clients.ts';
import { createMemoryWatch } from './engine/memory-watch.ts';
import { createPrincipals, type Principals } from './engine/principals.ts';
import { createTaskRoom, type TaskRoom } from './engine/task-room.ts';
import type { Waiters } from './engine/types.ts';
import { createWaiters } from './engine/waiters.ts';
import { createByteBudget } from './http/byte-budget.ts';
import type { Listener } from './http/listener.ts';
import type { ByteBudget } from './http/seam.ts';
import type { Log } from './observe/log.ts';
import { createMemoryReader } from './observe/memory-use.ts';
import type { LoadFigures } from './observe/series.ts';
import { systemTicker } from './store/ticker.ts';

/** Everything that bounds what clients can take of the process, put together for parts.ts. */
export type OverloadParts = {
  readonly budget: ByteBudget;
  readonly waiters: Waiters;
  readonly tasks: TaskRoom;
  readonly principals: Principals | null;
  readonly clients: Clients | null;
  pressure(): Pressure;
  admission(limits: ResolvedConfig['limits'], inFlight: () => number): Admission;
  /** Once they are there. A listener closes new connections while memory is short. */
  attach(parts: { readonly listener?: Listener; readonly settlementsPending?: () => number }): void;
  /** `full`: a connection more would be closed at once. */
  connections(): 'full' | 'has-room';
  figures(): LoadFigures;
  stop(): void;
};

export function createOverload(
  { limits }: ResolvedConfig,
  log: Log,
  monotonicMs: () => number,
): OverloadParts {
  let listener: Listener | null = null;
  let settlementsPending = (): number => 0;
  const watch = createMemoryWatch({
    read: createMemoryReader(),
    limits: limits.memory,
    monotonicMs,
    ticker: systemTicker,
    onChange: (pressure, share) => {
      listener?.accept(pressure === 'stop' ? 'none' : 'all');
      log.event('warn', 'memory pressure', { pressure, usedPercent: Math.round(share * 100) });
    },
  });
  const { pressure } = watch;
  const budget = createByteBudget(limits.bufferBytesMax);
  const waiters = createWaiters(limits.joinersMax, pressure);
  const tasks = createTaskRoom(limits.tasksMax);
  const { inFlightMax, newKeys } = limits.principal;
  const principals =
    inFlightMax === null && newKeys === null ? null : createPrincipals(limits.principal, monotonicMs);
  const { client } = limits;
  const clients =
    client.connectionsMax === null && client.inFlightMax === null ? null : createClients(client);
  return {
    budget,
    waiters,
    tasks,
    principals,
    clients,
    pressure,
    admission: ({ inFlightMax: ofAllMax, bufferBytesMax }, inFlight) =>
      createAdmission({ inFlight, inFlightMax: ofAllMax, budget, bufferBytesMax, pressure }),
    attach(parts) {
      listener = parts.listener ?? listener;
      settlementsPending = parts.settlementsPending ?? settlementsPending;
    },
    stop: () => watch.stop(),
    connections: () => listener?.room() ?? 'has-room',
    figures: () => ({
      joinedWaiters: waiters.count(),
      tasksRunning: tasks.running(),
      bufferBytes: budget.usedBytes(),
      pressure: pressure(),
      settlementsPending: settlementsPending(),
      principals: principals?.count() ?? 0,
      connections: listener?.connections() ?? 0,
      connectionsRefused: listener?.refused() ?? 0,
      handshakesFailed: listener?.handshakesFailed() ?? 0,
      certificateNotAfterMs: listener?.certificateNotAfterMs() ?? 0,
    }),
  };
}
