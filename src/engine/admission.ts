import type { Overload, Pressure } from '../core/overload.ts';
import type { ByteBudget } from '../http/seam.ts';

/** Whether there is room for one more request, before anything of it is read. */
export type Admission = (request: 'unkeyed' | 'keyed' | 'keyed-with-body') => Overload | null;

export type AdmissionOptions = {
  readonly inFlight: () => number;
  readonly inFlightMax: number;
  readonly budget: ByteBudget;
  readonly bufferBytesMax: number;
  readonly pressure: () => Pressure;
};

/** Of the buffer: the rest is for the answers of requests that are already in. */
const ADMISSION_SHARE = 0.9;

export function createAdmission(options: AdmissionOptions): Admission {
  const { inFlight, inFlightMax, budget, pressure } = options;
  const admittedBytesMax = options.bufferBytesMax * ADMISSION_SHARE;
  return (request) => {
    if (inFlight() > inFlightMax) return 'in_flight';
    // What is passed on is not held: it flows as fast as its slower side.
    if (request === 'unkeyed') return null;
    const level = pressure();
    if (level === 'stop' || (level === 'refuse' && request === 'keyed-with-body')) return 'memory';
    return budget.usedBytes() > admittedBytesMax ? 'buffer' : null;
  };
}
