import { ReplyError } from 'ioredis';
import { StoreUnavailable, type StoreUnavailableReason } from '../contract.ts';
import { type Address, parseAddress } from './address.ts';

/** Not executed: another server of the cluster has the record (moved), or has it already during a migration (asked). */
export class Redirected extends StoreUnavailable {
  readonly to: 'moved' | 'asked';
  readonly slot: number;
  /** Null where the server does not know: the port alone, or nothing. */
  readonly address: Address | null;
  constructor(to: 'moved' | 'asked', slot: number, address: Address | null) {
    super('connection', 'redis: the record is on another server of the cluster');
    this.to = to;
    this.slot = slot;
    this.address = address;
  }
}

/** First words of error replies; what is not here is `error`. */
const REASON_BY_CODE: Readonly<Record<string, StoreUnavailableReason>> = {
  READONLY: 'readonly',
  // Too few replicas to take a write (min-replicas-to-write).
  NOREPLICAS: 'readonly',
  MISCONF: 'readonly',
  LOADING: 'loading',
  OOM: 'out_of_memory',
  BUSY: 'busy',
  TRYAGAIN: 'busy',
  MASTERDOWN: 'connection',
  CLUSTERDOWN: 'connection',
  // Something that is no record stands under a record's name.
  WRONGTYPE: 'corrupt',
};

/** Redis 6 wraps what failed inside a script: `ERR Error running script …: -OOM command not allowed …`. */
const CODE = /^(?!ERR )([A-Z]{2,})\b|: -([A-Z]{2,}) /;

/** The code of an error reply, such as `NOSCRIPT`, or null for any other failure. */
export function replyCode(error: unknown): string | null {
  if (!(error instanceof ReplyError) || !(error instanceof Error)) return null;
  const match = CODE.exec(error.message);
  return match?.[1] ?? match?.[2] ?? 'ERR';
}

/**
 * What a failed command means to the caller. The driver's error is not kept as the cause: it carries the arguments of
 * its command, and with them passwords and response bodies.
 */
export function toUnavailable(error: unknown): StoreUnavailable {
  if (error instanceof StoreUnavailable) return error;
  const message = error instanceof Error ? firstLine(error.message) : 'redis failed';
  const code = replyCode(error);
  if (code === 'MOVED' || code === 'ASK') return redirected(code, message);
  if (code !== null) return new StoreUnavailable(replyReason(code, message), `redis: ${message}`);
  // The driver has no type of its own for this one.
  if (message === 'Command timed out') return new StoreUnavailable('timeout', 'redis gave no answer in time');
  return new StoreUnavailable('connection', `no connection to redis: ${message}`);
}

/** `MOVED 3999 127.0.0.1:6381`; Redis 7 leaves out a host that it does not know. */
function redirected(code: 'MOVED' | 'ASK', message: string): Redirected {
  const [, slot = '', address = ''] = message.split(' ');
  return new Redirected(code === 'MOVED' ? 'moved' : 'asked', Number(slot), parseAddress(address));
}

function replyReason(code: string, message: string): StoreUnavailableReason {
  if (code === 'MISCONF' && message.includes('No space left')) return 'disk_full';
  return REASON_BY_CODE[code] ?? 'error';
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? '';
}
