import { writeSync } from 'node:fs';
import process from 'node:process';
import { createLog } from '../../src/observe/log.ts';
import { openLogSink } from '../../src/observe/log-sink.ts';
import { requestFields } from './memory-destination.ts';

/** A process of its own whose reader of standard output never reads. Says on descriptor 3 what it saw. */

const log = createLog({
  level: 'info',
  destination: openLogSink(1, { charsMax: 256 * 1_024 }),
  wallMs: Date.now,
});
let turns = 0;
const flood = async (): Promise<void> => {
  for (let round = 0; round < 100; round += 1) {
    for (let i = 0; i < 100; i += 1) log.requestEnded(requestFields());
    await new Promise((resolve) => setImmediate(resolve));
    turns += 1;
  }
};
await flood();
await log.close(100);
writeSync(3, JSON.stringify({ turns, dropped: log.linesDropped() }));
process.exitCode = 0;
