import { type Arrival, type CountingBackend, startCountingBackend } from './counting-backend.ts';
import { seededRandom } from './seeded.ts';

/** A payments backend that fails in every way, by a plan for each charge: `amount` says which charge it is. */

export const MODES = [
  'ok',
  'slow',
  'fail-500',
  'gateway-502',
  'reset-before',
  'reset-after',
  'truncated',
  'busy-503',
  'limit-429',
] as const;
export type Mode = (typeof MODES)[number];

/** These say "not executed": the next attempt meets the next step of the plan. */
const NOT_EXECUTED: ReadonlySet<Mode> = new Set(['busy-503', 'limit-429']);

/** What the client of a charge ends with, and how often the backend executed it. */
export type Expected = {
  readonly end: 'charged' | 'refused-500' | 'refused-429' | 'broken' | 'unknown';
  readonly executions: 0 | 1;
};

export type Plan = { readonly steps: readonly Mode[]; readonly expected: Expected };

/** Every mode comes first at least once; what says "not executed" is followed by others, unless the client gives up on it. */
export function plansOf(seed: number, charges: number, on429: 'retries' | 'gives-up'): readonly Plan[] {
  const random = seededRandom(seed);
  const draw = (modes: readonly Mode[]): Mode => modes[Math.floor(random() * modes.length)] ?? 'ok';
  const final = MODES.filter((mode) => !NOT_EXECUTED.has(mode));
  return Array.from({ length: charges }, (_, i) => {
    const steps: Mode[] = [MODES[i] ?? draw(MODES)];
    const goesOn = (): boolean => {
      const last = steps.at(-1) ?? 'ok';
      return NOT_EXECUTED.has(last) && !(last === 'limit-429' && on429 === 'gives-up');
    };
    if (goesOn()) steps.push(draw(MODES));
    if (goesOn()) steps.push(draw(final));
    return { steps, expected: expectedOf(steps.at(-1) ?? 'ok') };
  });
}

function expectedOf(last: Mode): Expected {
  switch (last) {
    case 'ok':
    case 'slow':
      return { end: 'charged', executions: 1 };
    case 'fail-500':
      return { end: 'refused-500', executions: 1 };
    case 'limit-429':
      return { end: 'refused-429', executions: 0 };
    case 'reset-before':
      return { end: 'unknown', executions: 0 };
    // Both clients take half a body for final: the error tells the caller that the outcome is not known.
    case 'truncated':
      return { end: 'broken', executions: 1 };
    case 'reset-after':
    case 'gateway-502':
    case 'busy-503':
      return { end: 'unknown', executions: 1 };
  }
}

/** `slowMs`: longer than the client waits. */
export async function startFailingBackend(plans: readonly Plan[], slowMs: number): Promise<CountingBackend> {
  return await startCountingBackend((arrival) => {
    const charge = Number(/amount\D+(\d+)/.exec(arrival.body)?.[1] ?? 0) - FIRST_AMOUNT;
    const steps = plans[charge]?.steps ?? [];
    // Beyond its plan a charge would be executed again: that is what must never happen.
    act(arrival, steps[arrival.arrival - 1] ?? 'ok', slowMs);
  });
}

export const FIRST_AMOUNT = 1_000;

function act(arrival: Arrival, mode: Mode, slowMs: number): void {
  const charged = (): string => JSON.stringify({ id: `ch_${arrival.execute()}`, object: 'charge' });
  const error = JSON.stringify({ error: { type: 'api_error', message: mode } });
  switch (mode) {
    case 'ok':
      arrival.answer(200, charged());
      return;
    case 'slow': {
      const body = charged();
      setTimeout(() => arrival.answer(200, body), slowMs);
      return;
    }
    case 'fail-500':
      charged();
      arrival.answer(500, error);
      return;
    case 'gateway-502':
      charged();
      arrival.answer(502, error);
      return;
    case 'reset-before':
      arrival.reset();
      return;
    case 'reset-after':
      charged();
      arrival.reset();
      return;
    case 'truncated':
      arrival.truncate(charged());
      return;
    case 'busy-503':
      arrival.answer(503, error);
      return;
    case 'limit-429':
      arrival.answer(429, error, { 'Retry-After': '1' });
      return;
  }
}
