import type { IncomingMessage } from 'node:http';
import { unreachable } from '../core/unreachable.ts';
import type { Store } from '../store/contract.ts';
import { guardAdmin } from './host-guard.ts';
import { type ObserveParts, observeRoutes } from './observe-server.ts';
import { type AdminReply, type AdminRoute, jsonReply, problemReply } from './route-table.ts';
import { type SmallServer, startSmallServer } from './small-server.ts';

export type AdminServer = SmallServer;

export type AdminStatus = {
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly store: Store['kind'];
  readonly inFlight: number;
  /** The processes that take requests; pid null: ended, about to be started again. */
  readonly workers: readonly {
    readonly worker: number;
    readonly pid: number | null;
    readonly state: 'starting' | 'listening' | 'ended';
    readonly inFlight: number;
  }[];
  readonly state: 'serving' | 'draining';
  /** The file and the ISO 8601 time at which the configuration in force was loaded; file null: from flags. */
  readonly config: { readonly file: string | null; readonly loadedAt: string };
};

type AdminActions = {
  /** Begins to drain and returns at once; a second call changes nothing. */
  drain(): void;
};

export type AdminOptions = {
  readonly listen: { readonly host: string; readonly port: number };
  readonly actions: AdminActions;
  readonly status: () => AdminStatus | Promise<AdminStatus>;
  /** Besides drain and status. */
  readonly routes: readonly AdminRoute[];
  /** Mounts health and metrics here too, for a run with one port; null: they have their own. */
  readonly observe: ObserveParts | null;
  readonly onError: (error: unknown) => void;
};

/**
 * What an operator may do. No credentials: it listens on loopback unless configured otherwise, and refuses what a
 * browser might be made to send.
 */
export function startAdminServer(options: AdminOptions): Promise<AdminServer> {
  const observed = options.observe === null ? [] : observeRoutes(options.observe);
  return startSmallServer({
    what: 'admin',
    listen: options.listen,
    routes: [...adminRoutes(options), ...options.routes, ...observed],
    refuse: (request) => refusal(options.listen.host, request),
    onError: options.onError,
  });
}

function adminRoutes({ actions, status }: AdminOptions): readonly AdminRoute[] {
  return [
    {
      method: 'POST',
      path: '/drain',
      handle() {
        actions.drain();
        return jsonReply(202, { status: 'draining' });
      },
    },
    {
      method: 'GET',
      path: '/status',
      async handle() {
        return jsonReply(200, await status());
      },
    },
  ];
}

function refusal(listenHost: string, request: IncomingMessage): AdminReply | null {
  const result = guardAdmin(listenHost, { host: request.headers.host, origin: request.headers.origin });
  switch (result) {
    case 'let-in':
      return null;
    case 'origin':
      return problemReply(
        403,
        'Forbidden',
        'Requests of web pages (with an Origin field) are not served here.',
      );
    case 'host':
      return problemReply(
        421,
        'Misdirected request',
        'Ask for this port as localhost or by the address it listens on.',
      );
    default:
      return unreachable(result);
  }
}
