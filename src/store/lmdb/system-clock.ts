import { readFileSync, readlinkSync } from 'node:fs';
import { uptime } from 'node:os';
import type { MachineClock } from './clock.ts';

/** Edge: the clocks of the machine. */
export function systemClock(): MachineClock {
  return { monotonicMs, wallMs: () => Date.now(), bootId: bootId() };
}

/** process.hrtime is CLOCK_MONOTONIC on Linux. */
function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}

/** The time namespace is part of it: inside another one, CLOCK_MONOTONIC has another origin. */
function bootId(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    return `${boot} ${timeNamespace()}`;
  } catch {
    // Off Linux, for development: by the minute of the boot. A wrong guess ends leases early, which parks or frees
    // claims that were never dispatched; it executes nothing twice.
    return `boot-minute ${Math.round((Date.now() / 1000 - uptime()) / 60)}`;
  }
}

function timeNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/time');
  } catch {
    return 'no time namespace';
  }
}
