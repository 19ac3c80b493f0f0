import process from 'node:process';
import { openLmdbStore } from '../../../src/store/lmdb/lmdb-store.ts';
import { systemClock } from '../../../src/store/lmdb/system-clock.ts';
import { type Recording, record } from './recorder.ts';

/** The second process on one LMDB environment: records what it is asked to, and sends what its clients saw. */

const [path = ''] = process.argv.slice(2);
const store = await openLmdbStore({
  path,
  durability: 'commit',
  bytesMax: 512 * 1024 * 1024,
  clock: systemClock(),
});

process.on('message', (recording: Recording) => {
  void record(store, recording).then((recorded) => process.send?.({ name: recording.name, recorded }));
});
process.on('disconnect', () => void store.close().then(() => process.exit(0)));
process.send?.('open');
