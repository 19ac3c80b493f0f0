import { readFileSync } from 'node:fs';
import process from 'node:process';

/**
 * What a process holds. Not its whole resident set: that counts the pages of the LMDB file which the kernel happens to
 * cache for it and takes back at will. Memory of its own is anonymous.
 */
export type Held = {
  /** Since the first sample. */
  readonly atMs: number;
  readonly anonymousMb: number;
  readonly residentMb: number;
  /** `nodejs_heap_size_used_bytes`. */
  readonly heapMb: number;
  /** `onceward_store_records`; NaN where there is none. */
  readonly records: number;
};

export type MemoryWatch = {
  readonly samples: readonly Held[];
  stop(): Promise<void>;
};

const SAMPLE_MS = 1_000;
const MB = 1e6;

/** Samples once a second from /proc and from the metrics of the process, until it is stopped. */
export function watchMemory(pid: number, observePort: number): MemoryWatch {
  const samples: Held[] = [];
  const startMs = performance.now();
  const stopped = new AbortController();
  const watching = (async () => {
    while (!stopped.signal.aborted) {
      const text = await metrics(observePort);
      const { anonymousMb, residentMb } = residentOf(pid);
      const heapMb = Number(/^nodejs_heap_size_used_bytes (\S+)/m.exec(text)?.[1]) / MB;
      const records = Number(/^onceward_store_records(?:\{[^}]*\})? (\S+)/m.exec(text)?.[1]);
      samples.push({ atMs: performance.now() - startMs, anonymousMb, residentMb, heapMb, records });
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    }
  })();
  watching.catch(() => undefined);
  return {
    samples,
    async stop() {
      stopped.abort();
      await watching;
    },
  };
}

/** Of another process, or of this one. */
export function residentOf(pid: number = process.pid): {
  readonly anonymousMb: number;
  readonly residentMb: number;
} {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kbOf = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]);
  return { anonymousMb: (kbOf('RssAnon') * 1024) / MB, residentMb: (kbOf('VmRSS') * 1024) / MB };
}

async function metrics(port: number): Promise<string> {
  return await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
}
