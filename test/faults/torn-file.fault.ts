import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { PINNED_NODE } from '../support/child-proxy.ts';
import { seededRandom } from '../support/seeded.ts';
import {
  exactly,
  type FaultResult,
  type FaultRun,
  type FaultScript,
  runAlone,
  told,
} from './fault-script.ts';
import type { TornReport } from './torn-file-worker.ts';

/**
 * Fault 32: the data file of a store whose processes were killed in the middle of their writes is damaged at random
 * places, and opened. It must be refused in clear words, or give right answers or errors: never a wrong body, never a
 * key that is said to be free, never the end of the process by a signal.
 */
export const FAULT: FaultScript = {
  name: 'torn-file',
  promise:
    'An LMDB file with flipped bits, overwritten pages or a cut end is refused at start, or gives right answers and errors: no wrong body, no acknowledged key that is free again, no crash.',
  quickMsMax: 30_000,
  run,
};

const WRITER = new URL('../contract/lmdb-worker.ts', import.meta.url).pathname;
const READER = new URL('./torn-file-worker.ts', import.meta.url).pathname;
const PAGE_BYTES = 4096;
/** Flags of a page that is a branch, a leaf or a head: damage of others is damage of bodies. */
const TREE_FLAGS = 0x0b;

type Random = () => number;
type Damage = { readonly name: string; apply(bytes: Buffer, at: number, random: Random): Buffer };

const DAMAGES: readonly Damage[] = [
  {
    name: 'a bit flipped',
    apply(bytes, at, random) {
      bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8));
      return bytes;
    },
  },
  {
    name: 'eight bytes of noise',
    apply: (bytes, at, random) => noise(bytes, at, 8, random),
  },
  {
    name: 'a sector of zeros',
    apply: (bytes, at) => bytes.fill(0, at - (at % 512), at - (at % 512) + 512),
  },
  {
    name: 'a page of noise',
    apply: (bytes, at, random) => noise(bytes, at - (at % PAGE_BYTES), PAGE_BYTES, random),
  },
  {
    name: 'a page in the place of another',
    apply(bytes, at, random) {
      const from = pageAt(bytes, random);
      bytes.copy(bytes, at - (at % PAGE_BYTES), from, from + PAGE_BYTES);
      return bytes;
    },
  },
  {
    name: 'the end cut off',
    apply: (bytes, at) => bytes.subarray(0, at),
  },
];

async function run({ form, seed, say }: FaultRun): Promise<FaultResult> {
  const random = seededRandom(seed);
  const rounds = form === 'quick' ? 240 : 6000;
  const folder = mkdtempSync(join(tmpdir(), 'onceward-torn-'));
  let bench: Bench | null = null;
  const totals = {
    refused: 0,
    opened: 0,
    signals: 0,
    right: 0,
    wrong: 0,
    absent: 0,
    behind: 0,
    unavailable: 0,
  };
  const whole = { refused: 0, looks: 0 };
  const bad: string[] = [];
  try {
    let store = await killedStore(folder, random);
    bench = startBench();
    for (let round = 0; round < rounds; round += 1) {
      if (round % 500 === 499) store = await killedStore(folder, random);
      const damage = DAMAGES[round % DAMAGES.length];
      if (damage === undefined) continue;
      const bytes = Buffer.from(store.bytes);
      const at = damagePlace(bytes, random);
      const report = await bench.look(folder, damage.apply(bytes, at, random), store.keys);
      if (report === 'signal') {
        totals.signals += 1;
        bench = startBench();
      } else {
        totals[report.opened === 'yes' ? 'opened' : 'refused'] += 1;
        for (const count of ['right', 'wrong', 'absent', 'behind', 'unavailable'] as const)
          totals[count] += report[count];
      }
      if (report === 'signal' || report.wrong + report.absent > 0)
        bad.push(`${damage.name} at ${at}: ${JSON.stringify(report)}`);
      if (round % 100 === 0) {
        const sound = await bench.look(folder, store.bytes, store.keys);
        whole.looks += 1;
        if (sound === 'signal' || sound.right !== store.keys.length * 2) whole.refused += 1;
      }
      if (round % 1000 === 999) say(`${round + 1} of ${rounds} files`);
    }
  } finally {
    bench?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  for (const line of bad.slice(0, 20)) say(line);
  return {
    figures: [
      told('damaged files opened', rounds),
      told('refused at start', totals.refused),
      told('opened', totals.opened),
      told('opened, answers right', totals.right),
      told('opened, answers refused (corrupt)', totals.unavailable),
      told('opened, completed keys that are only known', totals.behind),
      exactly('wrong bodies', totals.wrong, 0),
      exactly('acknowledged keys that were free again', totals.absent, 0),
      exactly('processes that died by a signal', totals.signals, 0),
      exactly(`files without damage that were not served whole, of ${whole.looks}`, whole.refused, 0),
    ],
    versions: [],
  };
}

function noise(bytes: Buffer, at: number, length: number, random: Random): Buffer {
  for (let i = at; i < Math.min(bytes.length, at + length); i += 1) bytes[i] = Math.floor(random() * 256);
  return bytes;
}

/** Half of the places are anywhere, half in pages that hold a tree together. */
function damagePlace(bytes: Buffer, random: Random): number {
  if (random() < 0.5) return Math.floor(random() * bytes.length);
  return treePage(bytes, random) + Math.floor(random() * PAGE_BYTES);
}

function pageAt(bytes: Buffer, random: Random): number {
  return Math.floor(random() * Math.floor(bytes.length / PAGE_BYTES)) * PAGE_BYTES;
}

function treePage(bytes: Buffer, random: Random): number {
  for (;;) {
    const at = pageAt(bytes, random);
    if ((bytes.readUInt16LE(at + 18) & TREE_FLAGS) !== 0) return at;
  }
}

type KilledStore = { readonly bytes: Buffer; readonly keys: readonly string[] };

/** The file that two writers leave when they are killed, and the keys whose completion they were told. */
async function killedStore(folder: string, random: Random): Promise<KilledStore> {
  const path = join(folder, 'written');
  rmSync(path, { recursive: true, force: true });
  const completed: string[] = [];
  const count = 60 + Math.floor(random() * 120);
  const writers = ['a', 'b'].map((name) =>
    spawn(PINNED_NODE, [WRITER, path, 'commit', 'write', name], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
  await Promise.all(
    writers.map(async (writer) => {
      for await (const line of createInterface({ input: writer.stdout })) {
        const [word, key = '', token = ''] = line.split(' ');
        // The kill may cut the last line.
        if (word === 'completed' && /^\d{16}$/.test(token)) completed.push(key);
        if (completed.length >= count) for (const each of writers) each.kill('SIGKILL');
      }
    }),
  );
  return { bytes: readFileSync(join(path, 'data.mdb')), keys: completed };
}

type Bench = {
  /** Lays the bytes down as a store and has the reader look at it. */
  look(folder: string, bytes: Buffer, keys: readonly string[]): Promise<TornReport | 'signal'>;
  stop(): void;
};

function startBench(): Bench {
  const child: ChildProcess = spawn(PINNED_NODE, [READER], { stdio: ['pipe', 'pipe', 'ignore'] });
  if (child.stdout === null || child.stdin === null) throw new Error('the reader has no pipes');
  const { stdin } = child;
  stdin.on('error', () => undefined);
  const lines: Interface = createInterface({ input: child.stdout });
  const ended = once(child, 'exit');
  let stores = 0;
  return {
    async look(folder, bytes, keys) {
      stores += 1;
      // A path of its own each time: the driver keeps what it knows of one that is open.
      const path = join(folder, `damaged-${process.pid}-${child.pid}-${stores}`);
      mkdirSync(path);
      writeFileSync(join(path, 'data.mdb'), bytes);
      const answered = once(lines, 'line').then(([line]) => String(line));
      stdin.write(`${path} ${keys.join(',')}\n`);
      const answer = await Promise.race([answered, ended]);
      rmSync(path, { recursive: true, force: true });
      return typeof answer === 'string' ? JSON.parse(answer) : 'signal';
    },
    stop: () => child.kill('SIGKILL'),
  };
}

await runAlone(import.meta.url, FAULT);
