import type { Client } from 'undici';
import type { ResponseBytes } from './response-bytes.ts';

/**
 * Connections to the upstream, one client each, with our own queue in front. undici's pool keeps a request that was
 * given up, body and all, until a connection is free; a queue of ours forgets it at once.
 */

/** A keyed request goes out only on a connection that was idle for less than this: an older one may be half closed. */
const KEYED_IDLE_MS = 1_000;

export type Slot = {
  client: Client;
  idleSinceMs: number;
  /** broken: the socket had an error; reset when it connects anew. */
  connection: 'sound' | 'broken';
  /** Of the last connection; null before the first. */
  bytes: ResponseBytes | null;
};

export type Waiting = {
  readonly sockets: 'keyed' | 'shared';
  run(slot: Slot): void;
};

export type ConnectionsOptions = {
  readonly connectionsMax: number;
  /** never: a keyed request gets a connection that has carried no other. */
  readonly keyedReuse: 'recent' | 'never';
  readonly nowMs: () => number;
  readonly createClient: (slot: Slot) => Client;
};

export class Connections<Exchange extends Waiting> {
  readonly #options: ConnectionsOptions;
  readonly #all = new Set<Slot>();
  /** The last used first, so that few connections stay warm and the others close. */
  readonly #idle: Slot[] = [];
  /** First come, first served; a Set, so that who gives up leaves from the middle at no cost. */
  readonly #waiting = new Set<Exchange>();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** Null: all are in use. */
  take(sockets: 'keyed' | 'shared'): Slot | null {
    const idle = this.#idle.pop();
    if (idle !== undefined) {
      this.#refresh(idle, sockets);
      return idle;
    }
    return this.#all.size < this.#options.connectionsMax ? this.#create() : null;
  }

  wait(exchange: Exchange): void {
    this.#waiting.add(exchange);
  }

  leave(exchange: Exchange): void {
    this.#waiting.delete(exchange);
  }

  give(slot: Slot): void {
    slot.idleSinceMs = this.#options.nowMs();
    for (const next of this.#waiting) {
      this.#waiting.delete(next);
      if (this.#options.keyedReuse === 'never') this.#refresh(slot, next.sockets);
      next.run(slot);
      return;
    }
    this.#idle.push(slot);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all].map(({ client }) => client.destroy()));
  }

  #create(): Slot {
    const slot: Omit<Slot, 'client'> & { client: Client | null } = {
      client: null,
      idleSinceMs: 0,
      connection: 'sound',
      bytes: null,
    };
    // The client is there before anyone sees the slot; its connector needs the slot to exist first.
    const made = slot as Slot;
    made.client = this.#options.createClient(made);
    this.#all.add(made);
    return made;
  }

  #refresh(slot: Slot, sockets: 'keyed' | 'shared'): void {
    const isFresh =
      this.#options.keyedReuse === 'recent' && this.#options.nowMs() - slot.idleSinceMs < KEYED_IDLE_MS;
    if (sockets === 'shared' || isFresh) return;
    void slot.client.destroy();
    slot.client = this.#options.createClient(slot);
  }
}
