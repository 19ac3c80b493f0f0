import { StoreUnavailable } from '../contract.ts';
import type { Ask } from './reply.ts';
import { crashLosses, readServerFacts } from './server-facts.ts';

/**
 * Whether the server still promises what it promised at the start: a reload of its configuration changes that under
 * open connections. While it does not, nothing is granted; what is settled is still told.
 */
export type Fitness = {
  /** Throws StoreUnavailable `unsafe`. */
  demand(): void;
  stop(): void;
};

const LOOK_MS = 5_000;

export function watchFitness(ask: Ask, acceptLoss: 'accept' | 'refuse', lookMs = LOOK_MS): Fitness {
  let losses: readonly string[] = [];
  let looking: 'idle' | 'busy' = 'idle';

  async function look(): Promise<void> {
    try {
      const [row] = await ask('fitness', []);
      losses = crashLosses(readServerFacts(row ?? []));
    } catch {
      // What does not answer grants nothing either: the claims themselves say so.
    } finally {
      looking = 'idle';
    }
  }

  const timer = setInterval(() => {
    if (looking === 'busy') return;
    looking = 'busy';
    void look();
  }, lookMs);
  timer.unref();
  if (acceptLoss === 'accept') clearInterval(timer);
  return {
    demand() {
      if (losses.length > 0)
        throw new StoreUnavailable('unsafe', `postgres is refused: ${losses.join('; ')}`, { sent: 'no' });
    },
    stop: () => clearInterval(timer),
  };
}
