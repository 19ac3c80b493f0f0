import { readFileSync } from 'node:fs';
import process from 'node:process';
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';
import type { MemoryUse } from '../core/overload.ts';

/** Edge: what the process has of its memory. */
export function createMemoryReader(): () => MemoryUse {
  // Limits are fixed when the process starts; a bound above the machine's memory is none.
  const limitBytes = process.constrainedMemory();
  const isBounded = limitBytes > 0 && limitBytes < 2 ** 50;
  const statFile = isBounded ? findStatFile() : null;
  return () => {
    const { heapUsedBytes, heapLimitBytes } = oldGeneration();
    if (!isBounded) return { heapUsedBytes, heapLimitBytes, outer: null };
    const { heapTotal, external } = process.memoryUsage();
    const ownBytes = fieldOf('/proc/self/status', /^RssAnon:\s+(\d+) kB$/m) * 1024;
    const usedBytes = statFile === null ? ownBytes : fieldOf(statFile, GROUP_ANONYMOUS);
    return {
      heapUsedBytes,
      heapLimitBytes,
      outer: { usedBytes, limitBytes, ownBytes, liveBytes: heapTotal + external },
    };
  };
}

/** Of the limit, V8 keeps so much for the young generation: three semi-spaces of 32 MiB, unless told otherwise. */
const YOUNG_BYTES = 96 * 1024 * 1024;
const OLD_BYTES_MIN = 16 * 1024 * 1024;

/** The process ends when the old generation is full, with most of the limit unused where the heap is small. */
function oldGeneration(): { readonly heapUsedBytes: number; readonly heapLimitBytes: number } {
  const { used_heap_size: usedBytes, heap_size_limit: limitBytes } = getHeapStatistics();
  const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
  const oldLimitBytes = limitBytes - YOUNG_BYTES;
  return {
    heapUsedBytes: usedBytes - (young?.space_used_size ?? 0),
    // A heap that is no larger than that was given smaller semi-spaces.
    heapLimitBytes: oldLimitBytes >= OLD_BYTES_MIN ? oldLimitBytes : limitBytes,
  };
}

/** Version 2 and version 1. Not the whole use: a mapped store is in it, which the kernel writes back and drops. */
const GROUP_ANONYMOUS = /^(?:anon|total_rss) (\d+)$/m;

/** Of the control group: within a container its root, outside of one the path of the process. */
function findStatFile(): string | null {
  const files: string[] = [];
  for (const [, controllers = '', path = ''] of text('/proc/self/cgroup').matchAll(/^\d+:(.*?):(.*)$/gm)) {
    if (controllers === '') files.push(`/sys/fs/cgroup${path}/memory.stat`, '/sys/fs/cgroup/memory.stat');
    else if (controllers.split(',').includes('memory'))
      files.push(`/sys/fs/cgroup/memory${path}/memory.stat`, '/sys/fs/cgroup/memory/memory.stat');
  }
  return files.find((file) => GROUP_ANONYMOUS.test(text(file))) ?? null;
}

function fieldOf(file: string, pattern: RegExp): number {
  return Number(pattern.exec(text(file))?.[1] ?? 0);
}

/** Empty where it cannot be read: what is not known is no pressure. */
function text(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
