import { appendFileSync } from 'node:fs';
import process from 'node:process';
import { collectedFile } from './collected-memory.ts';
import { residentOf } from './process-memory.ts';

/**
 * Loaded into a proxy before its own code (`--import`), with `--expose-gc`: collects all garbage now and then and notes
 * what is held after it. Between two collections memory rises and falls by tens of megabytes, and hides a leak of one.
 */

const EVERY_MS = 5_000;
const MB = 1e6;

const file = collectedFile(process.env);
const collect = globalThis.gc;
if (file !== null && collect !== undefined) {
  setInterval(() => {
    // Last resort: gives back what the collector keeps for its own next use, too.
    void collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    const { heapUsed, external } = process.memoryUsage();
    const { anonymousMb } = residentOf();
    const held = { atMs: performance.now(), heapMb: heapUsed / MB, externalMb: external / MB, anonymousMb };
    appendFileSync(file, `${JSON.stringify(held)}\n`);
  }, EVERY_MS).unref();
}
