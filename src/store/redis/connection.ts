import { randomInt } from 'node:crypto';
import { Redis } from 'ioredis';
import { StoreUnavailable } from '../contract.ts';
import { replyCode, toUnavailable } from './unavailable.ts';

export type ConnectionOptions = {
  /** `redis://[user:password@]host[:port][/db]`, or `rediss://` for TLS. */
  readonly url: string;
  readonly commandTimeoutMs: number;
  readonly connectTimeoutMs: number;
};

const DEFAULT_PORT = 6379;
const RECONNECT_MS_MIN = 50;
const RECONNECT_MS_MAX = 2000;
/** A server that has become a replica is left at most this often in search of the new primary. */
const LEAVE_REPLICA_MS_MIN = 1000;
/** A connection silent for this long while answers are due is taken for dead; below it a timeout is only a timeout. */
const SILENCE_TIMEOUTS = 3;

/** An unconnected client. Its `error` events are heard, so that none ends the process. */
export function createClient(options: ConnectionOptions): Redis {
  const client = new Redis({
    ...address(options.url),
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
    retryStrategy: reconnectMs,
    reconnectOnError: leaveReplica(),
  });
  client.on('error', () => undefined);
  return client;
}

/**
 * Connects once.
 * @throws StoreUnavailable with one line that names the address without its password and what to do.
 */
export async function connect(client: Redis, url: string): Promise<void> {
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
    throw unreachableServer(url, told);
  } finally {
    client.off('error', remember);
  }
}

/** The address without its password, for messages. */
export function maskedUrl(url: string): string {
  if (!URL.canParse(url)) return '(not a URL)';
  const parsed = new URL(url);
  if (parsed.password !== '') parsed.password = '***';
  return parsed.href;
}

function unreachableServer(url: string, error: unknown): StoreUnavailable {
  const { reason, message } = toUnavailable(error);
  const where = `redis at ${maskedUrl(url)}`;
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

type Address = {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: Record<string, never>;
};

/** Read here, not by the driver, which lets the query of a URL override every option, resends included. */
function address(url: string): Address {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (
    parsed === null ||
    (parsed.protocol !== 'redis:' && parsed.protocol !== 'rediss:') ||
    parsed.hostname === ''
  ) {
    throw new Error(`store.url must be redis://host:port/db or rediss://host:port/db, not ${maskedUrl(url)}`);
  }
  if (parsed.search !== '' || parsed.hash !== '') {
    throw new Error(`store.url takes no query: ${maskedUrl(url)}`);
  }
  const db = /^\/?$/.test(parsed.pathname)
    ? 0
    : Number(/^\/(\d{1,4})$/.exec(parsed.pathname)?.[1] ?? Number.NaN);
  if (Number.isNaN(db)) throw new Error(`store.url must end in the number of a database: ${maskedUrl(url)}`);
  return {
    host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: parsed.port === '' ? DEFAULT_PORT : Number(parsed.port),
    db,
    ...(parsed.username === '' ? {} : { username: decodeURIComponent(parsed.username) }),
    ...(parsed.password === '' ? {} : { password: decodeURIComponent(parsed.password) }),
    ...(parsed.protocol === 'rediss:' ? { tls: {} } : {}),
  };
}

/** Jitter keeps a fleet from coming back in step. */
function reconnectMs(attempt: number): number {
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
