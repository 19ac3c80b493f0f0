import { setTimeout as wait } from 'node:timers/promises';
import type { Client } from 'pg';

/** One connection that hears a channel, and comes back by itself while somebody needs it. */
export type Listener = {
  /** From now on it is needed. */
  need(): void;
  hears(): 'yes' | 'no';
  close(): Promise<void>;
};

export type ListenerOptions = {
  readonly createClient: () => Client;
  readonly channel: string;
  readonly onMessage: (payload: string) => void;
  /** It hears from here on: what was said until now was heard by nobody. */
  readonly onHearing: () => void;
  readonly isNeeded: () => 'needed' | 'idle';
};

const RECONNECT_MS = 1000;
const GOODBYE_MS = 1000;

export function createListener(options: ListenerOptions): Listener {
  let current: Client | null = null;
  let hearing: 'yes' | 'no' = 'no';
  let retry: NodeJS.Timeout | null = null;
  let life: 'open' | 'closed' = 'open';

  function need(): void {
    if (current !== null || life === 'closed') return;
    const client = options.createClient();
    current = client;
    client.on('notification', ({ payload }) => {
      if (payload !== undefined) options.onMessage(payload);
    });
    client.on('end', () => lost(client));
    client.connect().then(
      () => hear(client),
      () => lost(client),
    );
  }

  function hear(client: Client): Promise<void> {
    return client.query(`LISTEN ${options.channel}`).then(
      () => {
        hearing = 'yes';
        options.onHearing();
      },
      () => client.end(),
    );
  }

  function lost(client: Client): void {
    // A connection that fails says so twice.
    if (current !== client || retry !== null) return;
    hearing = 'no';
    // Not at once: a server that refuses would be asked without end.
    retry = setTimeout(() => {
      retry = null;
      current = null;
      if (options.isNeeded() === 'needed') need();
    }, RECONNECT_MS).unref();
  }

  return {
    need,
    hears: () => hearing,
    async close() {
      life = 'closed';
      const client = current;
      current = null;
      if (retry !== null) clearTimeout(retry);
      // A server that is silent would be waited for without end.
      if (client !== null) await Promise.race([client.end(), wait(GOODBYE_MS, undefined, { ref: false })]);
    },
  };
}
