import { randomInt } from 'node:crypto';
import type { ConnectionOptions as TlsConnectionOptions } from 'node:tls';
import { Redis } from 'ioredis';
import { StoreUnavailable } from '../contract.ts';
import type { Address } from './address.ts';
import { replyCode, toUnavailable } from './unavailable.ts';

/** How every server of a store is spoken to. */
export type ClientOptions = {
  readonly username: string | null;
  readonly password: string | null;
  readonly db: number;
  /** Null: without TLS. */
  readonly tls: TlsConnectionOptions | null;
  readonly commandTimeoutMs: number;
  readonly connectTimeoutMs: number;
};

const RECONNECT_MS_MIN = 50;
const RECONNECT_MS_MAX = 2000;
/** A server that has become a replica is left at most this often in search of the new primary. */
const LEAVE_REPLICA_MS_MIN = 1000;
/** A connection silent for this long while answers are due is taken for dead; below it a timeout is only a timeout. */
const SILENCE_TIMEOUTS = 3;

/** An unconnected client of one server. Its `error` events are heard, so that none ends the process. */
export function createClient(
  options: ClientOptions,
  { host, port }: Address,
  whenLost: 'reconnect' | 'end' = 'reconnect',
): Redis {
  const client = new Redis({
    host,
    port,
    db: options.db,
    ...(options.username === null ? {} : { username: options.username }),
    ...(options.password === null ? {} : { password: options.password }),
    ...(options.tls === null ? {} : { tls: options.tls }),
    lazyConnect: true,
    protocol: 2,
    disableClientInfo: true,
    connectTimeout: options.connectTimeoutMs,
    commandTimeout: options.commandTimeoutMs,
    socketTimeout: options.commandTimeoutMs * SILENCE_TIMEOUTS,
    // A command whose reply was lost may have been executed: the caller must hear of it, and must be the one to
    // decide on another try.
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResubscribe: false,
    // While a server loads its data, its own LOADING is the better answer than silence.
    enableReadyCheck: false,
    retryStrategy: whenLost === 'reconnect' ? reconnectMs : () => null,
    reconnectOnError: leaveReplica(),
  });
  client.on('error', () => undefined);
  // As many as commands wait for a connection: bounded by what is in flight.
  client.setMaxListeners(0);
  return client;
}

/**
 * Connects once.
 * @throws StoreUnavailable with one line that says where and what to do.
 */
export async function connect(client: Redis, where: string): Promise<void> {
  try {
    await connectOnce(client);
  } catch (error) {
    throw unreachableServer(where, error);
  }
}

/** Connects once, and throws why it did not. */
export async function connectOnce(client: Redis): Promise<void> {
  let cause: Error | null = null;
  const remember = (error: Error): void => {
    cause ??= error;
  };
  client.on('error', remember);
  try {
    await client.connect();
    await client.ping();
  } catch (error) {
    // The event tells why; the promise only that.
    const told = cause ?? error;
    client.disconnect();
    throw told;
  } finally {
    client.off('error', remember);
  }
}

function unreachableServer(where: string, error: unknown): StoreUnavailable {
  const { reason, message } = toUnavailable(error);
  switch (replyCode(error)) {
    case 'NOAUTH':
    case 'WRONGPASS':
    case 'NOPERM':
      return new StoreUnavailable(
        reason,
        `${where} refuses the login (${message}): check user and password of store.url`,
      );
    case 'LOADING':
      return new StoreUnavailable(reason, `${where} is still loading its data: start again in a moment`);
    default:
      return new StoreUnavailable(
        reason,
        `${where} cannot be used (${message}): check that it runs and that store.url is right`,
      );
  }
}

/** Jitter keeps a fleet from coming back in step. */
export function reconnectMs(attempt: number): number {
  const waitMs = Math.min(RECONNECT_MS_MAX, RECONNECT_MS_MIN * 2 ** Math.min(attempt - 1, 10));
  return waitMs + randomInt(0, RECONNECT_MS_MIN);
}

function leaveReplica(): (error: Error) => boolean {
  let leftAtMs = Number.NEGATIVE_INFINITY;
  return (error) => {
    const nowMs = performance.now();
    if (replyCode(error) !== 'READONLY' || nowMs - leftAtMs < LEAVE_REPLICA_MS_MIN) return false;
    leftAtMs = nowMs;
    return true;
  };
}
